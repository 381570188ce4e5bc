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
  ring(data.waiting.map((one) => one.handoff_id));
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
    one.why && key !== 'assistant'
      ? el(
          'span.why',
          {},
          el(`span.pill${key === 'waiting' ? (one.late ? '.bad' : '.warn') : ''}`, {}, one.why),
          one.late ? el('span.pill.bad', {}, 'promise passed') : null,
          key === 'waiting' && !one.fits ? el('span.pill', {}, `speaks ${one.language}`) : null,
        )
      : null,
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
  $('found').replaceChildren();
  readReplies();
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
  $('transfer').hidden = !packet.mine;
  $('book').hidden = !packet.mine;
  if (!packet.mine) $('giving').hidden = true;
  const facts = (list) => el('dl', {}, ...list.flatMap(({ name, value }) => [el('dt', {}, name), el('dd', {}, value)]));
  const item = (one) =>
    el(
      'li',
      {},
      el('div', {}, el('span', {}, one.title), el('b', {}, one.amount)),
      el('small', {}, one.detail),
      one.reference ? el('small', {}, el('code', {}, one.reference), ` ${one.status}`) : null,
    );
  const cartLine = (one) => {
    const node = item(one);
    if (packet.mine && one.kind !== 'fee') node.append(lineTools(one));
    return node;
  };
  const list = (name, rows, draw = item) => (rows.length ? [el('h2', {}, name), el('ul', {}, ...rows.map(draw))] : []);
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
      packet.cart.length ? el('ul', {}, ...packet.cart.map(cartLine)) : el('p', {}, 'Empty.'),
      packet.totals.length ? el('p.total', {}, el('span', {}, 'Total'), el('span', {}, packet.totals.join(' + '))) : null,
      ...list('Held', packet.held),
      el('h2', {}, 'Bookings'),
      packet.bookings.length ? el('ul', {}, ...packet.bookings.map(item)) : el('p', {}, 'None.'),
      ...list('Payments', packet.payments),
      ...(packet.errors.length ? [el('h2', {}, 'What went wrong last'), el('ul', {}, ...packet.errors.map((text) => el('li', {}, text)))] : []),
      ...(packet.draft ? [el('h2', {}, 'The assistant was about to say'), quoted(packet.draft)] : []),
      el('h2', {}, 'A first line'),
      quoted(packet.suggested),
    ].filter(Boolean),
  );
}

/** Words the expert may take over into the reply and change. */
function quoted(text) {
  const use = el('button.btn.small', { type: 'button' }, 'Use this');
  use.addEventListener('click', () => put(text));
  return el('div.use', {}, el('p', {}, text), use);
}

function put(text) {
  as('reply');
  const field = $('text');
  field.value = field.value ? `${field.value}\n${text}` : text;
  view.sendId = null;
  field.focus();
}

/** People of a cart line, and the way to take it out. */
function lineTools(one) {
  const people = el('input.in.num', { type: 'number', min: 1, max: 99, value: one.units.ADULT ?? 1, 'aria-label': `Adults for ${one.title}` });
  people.addEventListener('change', () => cart(`/${one.item_id}`, { units: { ...one.units, ADULT: Number(people.value) } }));
  const out = el('button.btn.small.danger', { type: 'button', 'aria-label': `Remove ${one.title}` }, 'Remove');
  out.addEventListener('click', () => cart(`/${one.item_id}/remove`, {}));
  return el('span.tools', {}, people, out);
}

async function cart(path, body) {
  oops(null);
  try {
    await post(`/desk/c/${view.open}/cart${path}`, { id: crypto.randomUUID(), ...body });
  } catch (error) {
    oops(error.message);
  } finally {
    await refresh();
  }
}

async function seek(event) {
  event?.preventDefault();
  const asked = new URLSearchParams({ q: $('q').value, adults: $('adults').value || '2' });
  if ($('day').value) asked.set('day', $('day').value);
  let found;
  try {
    found = await get(`/desk/c/${view.open}/search?${asked}`);
  } catch (error) {
    return oops(error.message);
  }
  $('found').replaceChildren(
    ...(found.length ? found.map(hit) : [el('li', {}, $('day').value ? 'Nothing is free like that.' : 'Nothing found. Try other words.')]),
  );
}

function hit(one) {
  const starts = one.starts.length > 1 ? el('select.in.small', { 'aria-label': `Start of ${one.title}` }, ...one.starts.map((at) => el('option', {}, at))) : null;
  const add = el('button.btn.small', { type: 'button', 'aria-label': `Add ${one.title}` }, 'Add');
  add.addEventListener('click', async () => {
    if (!one.day) return oops('Choose a day first, then search again.');
    const nights = one.stay ? { end: new Date(Date.parse(one.day) + 86_400_000).toISOString().slice(0, 10) } : {};
    const units = { ADULT: Number($('adults').value) || 2 };
    await cart('', { product: one.product, option: one.option, day: one.day, start: starts?.value ?? one.starts[0] ?? '', units, ...nights });
  });
  const left = one.left !== null && one.left <= 8 ? `, ${one.left} left` : '';
  return el('li', {}, el('div', {}, el('span', {}, one.title), el('b', {}, one.price)), el('small', {}, `${one.host}, ${one.how}${left}`), el('span.tools', {}, starts, add));
}

async function showTotal() {
  oops(null);
  $('total').disabled = true;
  try {
    await post(`/desk/c/${view.open}/total`, { id: crypto.randomUUID() });
  } catch (error) {
    oops(error.message);
  } finally {
    $('total').disabled = false;
  }
}

/* ── saved replies, colleagues, presence ───────────────────────────────────────────────────────── */

async function readReplies() {
  const id = view.open;
  const all = await get(`/desk/c/${id}/replies`).catch(() => []);
  if (view.open !== id) return;
  $('saved').replaceChildren(el('option', { value: '' }, 'Saved replies'), ...all.map((one) => el('option', { value: one.text }, one.name)));
}

async function keepReply() {
  const body = $('text').value.trim();
  if (!body) return oops('Write the reply first. {name} and {total} are filled in for each traveler.');
  oops(null);
  try {
    await post('/desk/replies', { name: body.replace(/\s+/g, ' ').slice(0, 60), body });
    await readReplies();
  } catch (error) {
    oops(error.message);
  }
}

async function giving(on) {
  if (on) {
    const all = await get('/desk/colleagues').catch(() => []);
    $('to').replaceChildren(
      el('option', { value: '' }, 'whoever is next (back to the queue)'),
      ...all.map((one) => el('option', { value: one.expert_id }, `${one.name}${one.here ? `, here, ${one.free} free` : ', not here'}${one.languages.length ? ` (${one.languages.join(', ')})` : ''}`)),
    );
  }
  $('giving').hidden = !on;
  $('transfer').setAttribute('aria-expanded', String(on));
  (on ? $('to') : $('transfer')).focus();
}

async function give(event) {
  event.preventDefault();
  oops(null);
  try {
    await post(`/desk/c/${view.open}/transfer`, { to: $('to').value || null, note: $('why').value });
    $('why').value = '';
    $('giving').hidden = true;
  } catch (error) {
    oops(error.message);
  } finally {
    soon();
  }
}

const beat = (more = {}) => post('/desk/beat', more).catch(() => {}); // the next one says it again

function away() {
  const now = $('away').getAttribute('aria-pressed') !== 'true';
  $('away').setAttribute('aria-pressed', String(now));
  beat({ away: now });
}

let heard = null;
let player = null;

/** Somebody new waits: two short tones, where the expert wants them. */
function ring(waiting) {
  const fresh = heard !== null && waiting.some((id) => !heard.has(id));
  heard = new Set(waiting);
  if (!fresh || !player) return;
  for (const [at, pitch] of [
    [0, 660],
    [0.16, 880],
  ]) {
    const tone = player.createOscillator();
    const loud = player.createGain();
    tone.frequency.value = pitch;
    loud.gain.setValueAtTime(0.08, player.currentTime + at);
    loud.gain.exponentialRampToValueAtTime(0.0001, player.currentTime + at + 0.15);
    tone.connect(loud).connect(player.destination);
    tone.start(player.currentTime + at);
    tone.stop(player.currentTime + at + 0.16);
  }
}

function sound() {
  player = player ? null : new AudioContext();
  $('sound').setAttribute('aria-pressed', String(Boolean(player)));
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
$('transfer').addEventListener('click', () => giving($('giving').hidden));
$('keep-it').addEventListener('click', () => giving(false));
$('giving').addEventListener('submit', give);
$('seek').addEventListener('submit', seek);
$('total').addEventListener('click', showTotal);
$('save-this').addEventListener('click', keepReply);
$('away').addEventListener('click', away);
$('sound').addEventListener('click', sound);
$('saved').addEventListener('change', () => {
  if ($('saved').value) put($('saved').value);
  $('saved').value = '';
});
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
  t: () => view.open && !$('transfer').hidden && giving($('giving').hidden),
  s: () => view.open && $('saved').focus(),
  '/': () => view.open && !$('book').hidden && (facts(true), $('q').focus()),
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
beat();
setInterval(beat, 45_000);
