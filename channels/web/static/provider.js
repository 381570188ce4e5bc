/* Keeps the inbox fresh: reloads by itself, unless somebody is writing; then it offers to. */
const place = document.querySelector('[data-live]');
const source = new EventSource(place.dataset.live);
let due = null;

function writing() {
  if (document.querySelector('.asked')) return true;
  return [...document.querySelectorAll('input.in')].some((one) => one.value || one === document.activeElement);
}

function offer() {
  if (document.querySelector('.fresh')) return;
  const button = document.createElement('button');
  button.className = 'btn primary fresh';
  button.type = 'button';
  button.textContent = 'Something changed. Show it';
  button.addEventListener('click', () => location.assign('/provider'));
  document.body.append(button);
}

source.addEventListener('provider', () => {
  clearTimeout(due);
  due = setTimeout(() => (writing() ? offer() : location.assign('/provider')), 250);
});

for (const form of document.querySelectorAll('form[method=post]'))
  form.addEventListener('submit', () => {
    source.close(); // our own change must not reload the page under the answer
    for (const one of document.querySelectorAll('button')) one.disabled = true;
  });
