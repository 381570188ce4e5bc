// What the pages that play a messenger's people share. Everything that was written by anybody is set as text, never as markup.
export const meta = (name) => document.querySelector(`meta[name="played-${name}"]`).content;
export const PREFIX = meta('prefix');
export const $ = (id) => document.getElementById(id);
export const headers = { 'x-played-key': meta('key'), 'content-type': 'application/json' };
export const PEOPLE = ['Ana (traveler)', 'Marta (provider)', 'Jonas (expert)'];

export function tell(text) {
  $('alert').querySelector('p').textContent = text;
  $('alert').showModal();
}

/** `at` is the address below the page's own. */
export async function post(at, body) {
  const answer = await fetch(`${PREFIX}/${at}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    tell(said.error || 'That did not work.');
    throw new Error(said.error);
  }
  return said.result;
}

export function el(tag, className, ...inside) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside.filter((one) => one !== undefined && one !== ''));
  return made;
}

export function safe(url) {
  try {
    const full = new URL(url, location.href);
    return ['http:', 'https:', 'mailto:'].includes(full.protocol) ? full.href : '#';
  } catch {
    return '#';
  }
}

export function link(url, label, className = '') {
  const made = el('a', className, label);
  made.href = safe(url);
  made.target = '_blank';
  made.rel = 'noopener noreferrer';
  return made;
}

export function tab(label, pressed, act) {
  const button = el('button', '', label);
  button.type = 'button';
  button.setAttribute('aria-pressed', String(pressed));
  button.addEventListener('click', act);
  return button;
}

let waiting = new AbortController();

/** Another chat does not wait for news of the one that was shown. */
export const moveOn = () => waiting.abort();

/** Ask for news again and again: `where()` is the address for now, `show(found)` draws; ends when the demo was started again. */
export async function follow(where, show) {
  for (;;) {
    const at = where();
    waiting = new AbortController();
    try {
      const answer = await fetch(`${PREFIX}/${at}`, { headers, signal: waiting.signal });
      if (answer.status === 403) {
        $('state').textContent = 'The demo was started again: reload this page.';
        return;
      }
      const found = await answer.json();
      if (at === where()) show(found);
    } catch (error) {
      if (error.name !== 'AbortError') await new Promise((go) => setTimeout(go, 1000));
    }
  }
}

/** Enter sends, with Shift it breaks the line. */
export function sends(form, text) {
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}

/** A link's token in the address: whose device opens it is for the person here to say. */
export function opensLink(people, act) {
  const token = new URLSearchParams(location.hash.slice(1)).get('start');
  if (!token) return;
  history.replaceState(null, '', location.pathname);
  const ask = $('whose');
  ask.querySelector('div').replaceChildren(
    ...people.map((one) => tab(one.name, false, () => {
      ask.close();
      act(one, token);
    })),
  );
  ask.showModal();
}
