/* The expert's desk. One stream for the queue and the open conversation; lines are drawn by the widget's own parts. */
import { el, paint, styles } from './traveloure-chat.js';

const $ = (id) => document.getElementById(id);
const proof = document.querySelector('meta[name=csrf]').content;
const view = { open: null, last: 0, source: null, kind: 'reply', packet: null, due: null, facts: null, order: [] };

const root = $('transcript').attachShadow({ mode: 'open' });
root.adoptedStyleSheets = [styles()];
const log = el('div.log', { role: 'log', 'aria-live': 'polite', 'aria-label': 'Transcript', tabindex: 0 });
root.append(el('div.wrap', {}, log));
const drafts = new Map();

async function get(path) {
  const answer = await fetch(path, { headers: { accept: 'application/json' } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error?.message ?? 'That did not work. Please reload the page.');
  return body;
}

async function post(path, body = {}) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', 'x-csrf-token': proof },
    body: JSON.stringify(body),
  });
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error?.message ?? 'That did not go through. Please try again.');
  return said;
}

function oops(text) {
  $('oops').textContent = text ?? '';
  $('oops').hidden = !text;
}

function ago(from, now) {
  const minutes = Math.max(0, Math.round((Date.parse(now) - Date.parse(from)) / 60000));
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ${minutes % 60} m` : `${Math.floor(minutes / 1440)} d`;
}

/* ── the queue ─────────────────────────────────────────────────────────────────────────────────── */

async function readQueue() {
  let data;
  try {
    data = await get('/desk/queue');
  } catch {
    return; // the stream comes back and asks again
  }
  const groups = [
    ['waiting', 'Waiting for a person'],
    ['mine', 'With you'],
    ['others', 'With other experts'],
    ['assistant', 'With the assistant'],
  ];
  view.order = groups.flatMap(([key]) => data[key].map((one) => one.conversation_id));
  const focused = document.activeElement?.dataset?.id;
  $('queue').replaceChildren(
    ...groups
      .filter(([key]) => data[key].length)
      .map(([key, name]) =>
        el(
          'div',
          { role: 'group', 'aria-label': name },
          el('div.group-name', { 'aria-hidden': 'true' }, `${name} (${data[key].length})`),
          ...data[key].map((one) => row(one, data.now, key)),
        ),
      ),
  );
  if (!view.order.length) $('queue').append(el('div.blank', { role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' }, 'Nobody has written yet.'));
  if (focused) $('queue').querySelector(`[data-id="${focused}"]`)?.focus();
  const waiting = data.waiting.length;
  $('waiting-n').textContent = `${waiting} waiting`;
  $('waiting-n').className = waiting ? 'pill bad' : 'pill ok';
  document.title = `${waiting ? `(${waiting}) ` : ''}Desk · Traveloure`;
  tabStops();
}

function row(one, now, key) {
  const node = el(
    'button.who-row',
    { type: 'button', role: 'option', 'data-id': one.conversation_id, 'aria-selected': String(one.conversation_id === view.open), tabindex: -1 },
    el('span.one', {}, el('b', {}, one.traveler), el('span.ago', {}, key === 'waiting' ? `waits ${ago(one.queued_at, now)}` : ago(one.queued_at ?? one.at, now))),
    el('span.last', {}, one.last || 'No words yet'),
    one.why && key !== 'assistant' ? el('span.why', {}, el(`span.pill${key === 'waiting' ? '.warn' : ''}`, {}, one.why)) : null,
  );
  node.addEventListener('click', () => open(one.conversation_id));
  return node;
}

const options = () => [...$('queue').querySelectorAll('.who-row')];

function tabStops() {
  const all = options();
  const stop = all.find((one) => one === document.activeElement) ?? all.find((one) => one.dataset.id === view.open) ?? all[0];
  for (const one of all) one.tabIndex = one === stop ? 0 : -1;
}

function step(by) {
  const all = options();
  if (!all.length) return;
  const at = all.findIndex((one) => one === document.activeElement);
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? Math.max(0, all.findIndex((one) => one.dataset.id === view.open)) : at + by))];
  next.focus();
  tabStops();
}

/* ── one conversation ──────────────────────────────────────────────────────────────────────────── */

async function open(id) {
  view.open = id;
  for (const one of options()) one.setAttribute('aria-selected', String(one.dataset.id === id));
  let data;
  try {
    data = await get(`/desk/c/${id}`);
  } catch (error) {
    $('blank').hidden = false;
    $('blank').textContent = error.message;
    return;
  }
  if (view.open !== id) return;
  $('desk').classList.add('open');
  for (const part of ['title', 'transcript', 'scribe', 'live']) $(part).hidden = false;
  $('blank').hidden = true;
  log.replaceChildren();
  drafts.clear();
  view.last = 0;
  showPacket(data.packet);
  for (const line of data.log) take(line.seq, line.type, line.data);
  log.scrollTop = log.scrollHeight;
  listen();
}

function take(seq, type, data) {
  if (seq <= view.last) return;
  view.last = seq;
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < 140;
  if (data.mid) {
    drafts.get(data.mid)?.remove();
    drafts.delete(data.mid);
    log.querySelector(`[data-mid="${CSS.escape(data.mid)}"]`)?.remove();
  }
  log.append(line(type, data));
  if (near) log.scrollTop = log.scrollHeight;
}

function line(type, data) {
  if (type === 'state') return el('div.row', {}, el('p.note', {}, data.text || `Now: ${data.mode}`));
  const staff = type === 'note';
  const role = data.role === 'traveler' ? 'traveler' : data.role === 'expert' ? 'expert' : 'bot';
  const names = { traveler: view.packet?.traveler.name ?? 'Traveler', bot: data.role === 'system' ? 'Traveloure' : 'Assistant', expert: data.name ?? 'Expert' };
  const node = el(
    `div.row.desk.${role}${role === 'traveler' ? '' : '.ours'}${staff ? '.staff' : ''}`,
    { 'data-mid': data.mid ?? '' },
    el('span.by', {}, staff ? 'Internal note' : names[role]),
    ...(data.parts ?? []).map((part) => paint(hands, part)).filter(Boolean),
  );
  const at = new Date(data.at);
  if (!Number.isNaN(at.getTime())) node.append(el('time', { datetime: data.at, title: at.toLocaleString() }, at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })));
  return node;
}

/** Buttons of a transcript cannot be pressed here; files open for the staff. */
const hands = {
  base: location.origin,
  press: null,
  fetchFile: (part) => window.open(new URL(part.url, location.origin), '_blank', 'noopener'),
};

function draft({ mid, offset, text }) {
  let node = drafts.get(mid);
  if (!node) {
    if (offset > 0 || log.querySelector(`[data-mid="${CSS.escape(mid)}"]`)) return;
    node = el('div.row.desk.ours.bot.draft', { 'aria-busy': 'true' });
    node.words = '';
    drafts.set(mid, node);
    log.append(node);
  }
  const held = Array.from(node.words);
  if (offset > held.length) return;
  node.words = held.slice(0, offset).join('') + text;
  node.replaceChildren(el('span.by', {}, 'Assistant'), paint(hands, { type: 'text', text: node.words }));
}

function showPacket(packet) {
  view.packet = packet;
  const { traveler, handoff } = packet;
  $('name').textContent = traveler.name;
  const held = packet.controller === 'human';
  $('state').textContent = packet.mine ? 'You speak here' : held ? 'Another expert speaks here' : handoff?.status === 'queued' ? 'Waits for a person' : 'The assistant speaks here';
  $('claim').hidden = packet.mine;
  $('return').hidden = !packet.mine;
  const facts = (list) => el('dl', {}, ...list.flatMap(({ name, value }) => [el('dt', {}, name), el('dd', {}, value)]));
  const item = (one) => el('li', {}, el('div', {}, el('span', {}, one.title), el('b', {}, one.amount)), el('small', {}, one.detail), one.reference ? el('small', {}, el('code', {}, one.reference), ` ${one.status}`) : null);
  $('packet').replaceChildren(
    ...[
      handoff ? el('p.why', {}, `${handoff.why[0].toUpperCase()}${handoff.why.slice(1)}.`, handoff.note ? ` ${handoff.note}` : '') : null,
      el('h2', {}, 'Traveler'),
      facts([
        { name: 'Name', value: traveler.name },
        { name: 'E-mail', value: traveler.email || 'not given yet' },
        { name: 'Language', value: traveler.locale },
      ]),
      el('h2', {}, 'Trip'),
      packet.trip.length ? facts(packet.trip) : el('p', {}, 'Nothing known yet.'),
      el('h2', {}, 'Cart'),
      packet.cart.length ? el('ul', {}, ...packet.cart.map(item)) : el('p', {}, 'Empty.'),
      packet.totals.length ? el('p.total', {}, el('span', {}, 'Total'), el('span', {}, packet.totals.join(' + '))) : null,
      el('h2', {}, 'Bookings'),
      packet.bookings.length ? el('ul', {}, ...packet.bookings.map(item)) : el('p', {}, 'None.'),
    ].filter(Boolean),
  );
}

async function refresh() {
  const id = view.open;
  if (!id) return;
  try {
    const data = await get(`/desk/c/${id}`);
    if (view.open === id) showPacket(data.packet);
  } catch {
    /* asked again with the next touch */
  }
}

/* ── live ──────────────────────────────────────────────────────────────────────────────────────── */

function listen() {
  view.source?.close();
  const source = new EventSource(view.open ? `/desk/events?c=${view.open}&after=${view.last}` : '/desk/events');
  view.source = source;
  const on = (kind, act) => source.addEventListener(kind, (event) => act(JSON.parse(event.data), Number(event.lastEventId)));
  for (const kind of ['message', 'state', 'note'])
    on(kind, (data, seq) => {
      take(seq, kind, data);
      if (data.role === 'traveler') $('live').textContent = '';
      if (kind === 'state') soon();
    });
  on('delta', draft);
  on('typing', (data) => {
    if (data.who !== 'traveler') return;
    $('live').textContent = `${view.packet?.traveler.name ?? 'The traveler'} is typing`;
    clearTimeout(view.typing);
    view.typing = setTimeout(() => ($('live').textContent = ''), 6000);
  });
  on('queue', soon);
  on('ready', soon);
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // it gives up for good on 4xx and 5xx
  };
}

function soon() {
  clearTimeout(view.due);
  view.due = setTimeout(() => {
    readQueue();
    refresh();
  }, 150);
}

/* ── acting ────────────────────────────────────────────────────────────────────────────────────── */

async function act(path, button) {
  oops(null);
  button.disabled = true;
  try {
    await post(`/desk/c/${view.open}/${path}`);
  } catch (error) {
    oops(error.message);
  } finally {
    button.disabled = false;
    soon();
  }
}

function as(kind) {
  view.kind = kind;
  $('as-reply').setAttribute('aria-pressed', String(kind === 'reply'));
  $('as-note').setAttribute('aria-pressed', String(kind === 'note'));
  $('scribe').classList.toggle('note', kind === 'note');
  $('text').placeholder = kind === 'note' ? 'Only the team reads this' : 'Write to the traveler';
  document.querySelector('label[for=text]').textContent = kind === 'note' ? 'Internal note' : 'Reply to the traveler';
  $('send').textContent = kind === 'note' ? 'Keep' : 'Send';
}

async function send(event) {
  event?.preventDefault();
  const text = $('text').value.trim();
  if (!text || !view.open) return;
  oops(null);
  view.sendId ??= crypto.randomUUID();
  const id = view.sendId;
  const field = $('text');
  field.value = ''; // at once: what is typed while this is on its way belongs to the next line
  view.sendId = null;
  $('send').disabled = true;
  field.focus();
  try {
    await post(`/desk/c/${view.open}/${view.kind}`, { id, text });
    soon();
  } catch (error) {
    oops(error.message);
    if (!field.value) view.sendId = id; // the same words again are the same line
    field.value = field.value ? `${text}\n${field.value}` : text; // nothing written is lost
  } finally {
    $('send').disabled = false;
  }
}

let typed = 0;
$('text').addEventListener('input', () => {
  view.sendId = null;
  if (view.kind !== 'reply' || !view.packet?.mine || Date.now() - typed < 3000) return;
  typed = Date.now();
  post(`/desk/c/${view.open}/typing`).catch(() => {});
});
$('scribe').addEventListener('submit', send);
$('claim').addEventListener('click', () => act('claim', $('claim')));
$('return').addEventListener('click', () => act('return', $('return')));
$('as-reply').addEventListener('click', () => as('reply'));
$('as-note').addEventListener('click', () => as('note'));
$('back').addEventListener('click', () => $('desk').classList.remove('open'));
const facts = (on) => {
  $('desk').classList.toggle('facts-open', on);
  $('facts-btn').setAttribute('aria-expanded', String(on));
};
$('facts-btn').addEventListener('click', () => facts(!$('desk').classList.contains('facts-open')));
$('facts-close').addEventListener('click', () => facts(false));

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  c: () => view.open && !$('claim').hidden && $('claim').click(),
  b: () => view.open && !$('return').hidden && $('return').click(),
  r: () => view.open && (as('reply'), $('text').focus()),
  n: () => view.open && (as('note'), $('text').focus()),
};

document.addEventListener('keydown', (event) => {
  if (event.target === $('text')) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send(event);
    if (event.key === 'Escape') $('text').blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if ($('queue').contains(event.target) && ['ArrowDown', 'ArrowUp'].includes(event.key)) {
    event.preventDefault();
    step(event.key === 'ArrowDown' ? 1 : -1);
  } else if (Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

await readQueue();
listen();
setInterval(readQueue, 60_000); // waiting times grow
