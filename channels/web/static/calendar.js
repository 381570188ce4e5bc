/* The calendar works without this; with it, days are chosen in a row, addresses are copied, and the page stays fresh. */
const form = document.querySelector('#days');
const told = document.querySelector('#chosen');

if (form) {
  const boxes = [...form.querySelectorAll('input[name=day]:not(:disabled)')];
  let anchor = null;
  const say = () => {
    const count = boxes.filter((one) => one.checked).length;
    told.textContent = count ? `${count} ${count === 1 ? 'day' : 'days'} chosen. Shift and click chooses a row.` : told.dataset.none;
  };
  const fill = (box) => {
    const from = boxes.indexOf(anchor);
    const to = boxes.indexOf(box);
    for (const one of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = box.checked;
  };
  form.addEventListener('click', (event) => {
    if (!boxes.includes(event.target)) return;
    if (event.shiftKey && anchor) fill(event.target);
    anchor = event.target;
    say();
  });
  form.addEventListener('keydown', (event) => {
    const at = boxes.indexOf(event.target);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    const next = boxes[Math.min(boxes.length - 1, Math.max(0, at + step))];
    next.focus();
    if (event.shiftKey) {
      event.target.checked = next.checked = true;
      anchor = next;
      say();
    }
  });
  say();
}

const product = document.querySelector('.pick select');
product?.addEventListener('change', () => product.form.requestSubmit());

for (const button of document.querySelectorAll('[data-copy]'))
  button.addEventListener('click', async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand('copy'); // pages without https have no clipboard
    }
    button.firstChild.data = 'Copied';
  });

const busy = () =>
  document.querySelector('input[name=day]:checked') ||
  [...document.querySelectorAll('input.in:not([readonly])')].some((one) => one.value !== one.defaultValue || one === document.activeElement);
const place = document.querySelector('[data-live]');
if (place) {
  const source = new EventSource(place.dataset.live);
  let due = null;
  source.addEventListener('provider', () => {
    clearTimeout(due);
    due = setTimeout(() => {
      if (!busy()) location.reload();
    }, 400);
  });
  for (const one of document.querySelectorAll('form[method=post]')) one.addEventListener('submit', () => source.close());
}
