import { $, PEOPLE, PREFIX, el, follow, headers, link, meta, moveOn, opensLink, post, safe, sends, tab } from './played.js';

const COMMAND = '/traveloure';

let people = [];
let channels = [];
let who = ''; // whoever is at the keyboard
let place = ''; // their direct messages with the app, or a channel
let have = '';
let thread = '';
let modal = ''; // the id and hash of the form that is drawn

const plain = (text) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const MARK = /<([^>|]+)(?:\|([^>]*))?>|\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~|`([^`\n]+)`/g;

/** Slack's mrkdwn as nodes. */
function rich(text, names) {
  const whole = document.createDocumentFragment();
  let at = 0;
  for (const found of text.matchAll(MARK)) {
    whole.append(plain(text.slice(at, found.index)));
    at = found.index + found[0].length;
    const [, target, label, bold, italic, struck, code] = found;
    if (target?.startsWith('@')) whole.append(el('b', '', `@${names[target.slice(1)] ?? 'somebody'}`));
    else if (target !== undefined) whole.append(link(plain(target), plain(label ?? target)));
    else if (bold !== undefined) whole.append(el('b', '', rich(bold, names)));
    else if (italic !== undefined) whole.append(el('i', '', rich(italic, names)));
    else if (struck !== undefined) whole.append(el('s', '', rich(struck, names)));
    else whole.append(el('code', '', plain(code)));
  }
  whole.append(plain(text.slice(at)));
  return whole;
}

const worded = (text, names) => (text.type === 'mrkdwn' ? rich(text.text, names) : text.text);

function picture(one, className) {
  const made = el('img', className);
  made.src = safe(one.image_url);
  made.alt = one.alt_text ?? '';
  return made;
}

function block(one, names, press) {
  switch (one.type) {
    case 'header':
      return el('h3', '', one.text.text);
    case 'section': {
      const made = el('div', 'section', one.text ? el('p', '', worded(one.text, names)) : undefined);
      if (one.accessory?.type === 'image') made.append(picture(one.accessory, ''));
      return made;
    }
    case 'context':
      return el('p', 'context', ...one.elements.map((each) => (each.type === 'image' ? picture(each, '') : el('span', '', worded(each, names)))));
    case 'image':
      return picture(one, 'wide');
    case 'divider':
      return el('hr');
    case 'actions':
      return el('div', 'keys', ...one.elements.map((each, at) => {
        if (each.url) return link(each.url, each.text.text);
        const key = el('button', each.style === 'primary' ? 'primary' : each.style ?? '', each.text.text);
        key.type = 'button';
        if (press) key.addEventListener('click', () => press(at));
        else key.disabled = true;
        return key;
      }));
    default:
      return el('p', 'context', `(${one.type})`);
  }
}

function drawn(message, found) {
  const item = el('li', message.thread_ts && message.thread_ts !== message.ts ? 'in-thread' : '');
  const time = new Date(Number(message.ts) * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  item.append(el('b', '', message.user === found.bot ? meta('app') : found.names[message.user] ?? 'Somebody', el('small', '', message.edited ? `${time}, edited` : time)));
  const blocks = message.blocks ?? [];
  if (blocks.length) {
    blocks.forEach((one, at) => item.append(block(one, found.names, (element) => click(message.ts, at, element))));
  } else {
    item.append(el('p', '', rich(message.text ?? '', found.names)));
  }
  const reply = el('button', 'thread', 'Reply in a thread');
  reply.type = 'button';
  reply.addEventListener('click', () => threading(message.thread_ts || message.ts, message.text ?? ''));
  item.append(reply);
  return item;
}

function threading(ts, text) {
  thread = ts;
  $('threading').hidden = !ts;
  $('threading').querySelector('span').textContent = ts ? `In the thread of: ${plain(text).slice(0, 60)}` : '';
  if (ts) $('text').focus();
}

function heard(answer) {
  if (answer?.text) $('state').textContent = answer.text;
}

async function click(ts, at, element) {
  heard(await post('office/click', { who, place, ts, block: at, element }));
}

// a modal

function field(one, wrong) {
  const label = el('label', '', one.label.text);
  const input = one.element;
  const name = one.block_id;
  const made = [];
  if (input.type === 'static_select') {
    const select = el('select');
    for (const option of input.options) {
      const choice = el('option', '', option.text.text);
      choice.value = option.value;
      choice.selected = option.value === input.initial_option?.value;
      select.append(choice);
    }
    made.push(label, select);
  } else if (input.type === 'checkboxes') {
    const tick = el('input');
    tick.type = 'checkbox';
    made.push(el('label', 'tick', tick, input.options[0].text.text));
  } else {
    const box = el(input.multiline ? 'textarea' : 'input');
    if (!input.multiline) box.type = { datepicker: 'date', email_text_input: 'email' }[input.type] ?? 'text';
    box.value = input.initial_value ?? input.initial_date ?? '';
    made.push(label, box);
  }
  const control = made.find((each) => each.matches('select, input, textarea')) ?? made[0].querySelector('input');
  control.id = `f-${name}`;
  control.dataset.name = name;
  label.htmlFor = control.id;
  if (one.hint) made.push(el('small', '', one.hint.text));
  if (wrong) made.push(el('p', 'wrong', wrong));
  return made;
}

function form(view) {
  const now = view ? `${view.id}-${view.hash}` : '';
  if (now === modal) return;
  modal = now;
  if (!view) {
    if ($('modal').open) $('modal').close();
    return;
  }
  $('modal-title').textContent = view.title.text;
  $('send').textContent = view.submit?.text ?? 'OK';
  const parts = view.blocks.flatMap((one) => (one.type === 'input' ? field(one, view.errors?.[one.block_id]) : [block(one, {})]));
  $('fields').replaceChildren(...parts);
  if (!$('modal').open) $('modal').showModal();
}

$('modal').querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const values = {};
  for (const one of $('fields').querySelectorAll('[data-name]')) values[one.dataset.name] = one.type === 'checkbox' ? (one.checked ? 'yes' : '') : one.value;
  heard(await post('office/submit', { who, values }));
});
const dismiss = () => modal && post('office/dismiss', { who });
$('dismiss').addEventListener('click', dismiss);
$('modal').addEventListener('cancel', dismiss);

// the app's Home

let homeDrawn = '';
function home(view) {
  const now = view ? JSON.stringify(view) : '';
  if (now === homeDrawn) return;
  homeDrawn = now;
  if (!view) return;
  $('home-page').querySelector('div').replaceChildren(...view.blocks.map((one) => block(one, {})));
  if (!$('home-page').open) $('home-page').showModal();
}
$('home-page').addEventListener('close', () => post('office/dismiss', { who, what: 'home' }));
$('home').addEventListener('click', async () => heard(await post('office/home', { who })));
$('assistant').addEventListener('click', async () => threading(await post('office/assistant', { who }), 'New assistant thread'));

// who is where

function menu() {
  $('people').replaceChildren(
    ...people.map((one) => tab(one.name, one.dm === place, () => choose(one.id, one.dm))),
    ...channels.map((one) => tab(`#${one.name}`, one.id === place, () => choose(one.members.includes(who) ? who : people[0].id, one.id))),
  );
}

function choose(person, where) {
  who = person;
  place = where;
  have = '';
  modal = '';
  homeDrawn = '';
  threading('', '');
  $('text').disabled = false;
  $('log').replaceChildren();
  $('state').textContent = '';
  const name = people.find((one) => one.id === who)?.name ?? '';
  const channel = channels.find((one) => one.id === where);
  $('title').textContent = channel ? `#${channel.name}, as ${name}` : `${name} and ${meta('app')}`;
  menu();
  moveOn();
}

async function load() {
  const found = await (await fetch(`${PREFIX}/office/places`, { headers })).json();
  people = found.people;
  channels = found.channels;
}

function prompts(found) {
  const all = found.prompts.prompts ?? [];
  const asked = found.messages.some((one) => one.user !== found.bot);
  $('prompts').hidden = !all.length || asked;
  $('prompts').replaceChildren(...all.map((one) => tab(one.title, false, () => say(one.message))));
}

function show(found) {
  if (!found.messages) return;
  have = found.have;
  const log = $('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.replaceChildren(...found.messages.map((one) => drawn(one, found)), ...found.told.map((text) => el('li', 'told', rich(text, found.names))));
  if (found.status) log.append(el('li', 'context', found.status));
  prompts(found);
  form(found.modal);
  home(found.home);
  if (atEnd || found.messages.length < 3) log.scrollTop = log.scrollHeight;
}

async function say(text) {
  $('state').textContent = '';
  if (text === COMMAND || text.startsWith(`${COMMAND} `)) heard(await post('office/command', { who, place, text: text.slice(COMMAND.length).trim() }));
  else await post('office/say', { who, place, text, thread });
}

$('write').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text) return;
  $('text').value = '';
  await say(text);
});
sends($('write'), $('text'));
$('no-thread').addEventListener('click', () => threading('', ''));
$('new-person').addEventListener('submit', async (event) => {
  event.preventDefault();
  const id = await post('office/person', { name: new FormData(event.target).get('name') });
  event.target.reset();
  await load();
  choose(id, people.find((one) => one.id === id).dm);
});
$('new-channel').addEventListener('submit', async (event) => {
  event.preventDefault();
  const id = await post('office/channel', { name: new FormData(event.target).get('name'), members: people.map((one) => one.id) });
  event.target.reset();
  await load();
  choose(who, id);
});

for (const name of PEOPLE) await post('office/person', { name });
await load();
const ana = people.find((one) => one.name.startsWith('Ana')) ?? people[0];
choose(ana.id, ana.dm);
follow(() => `office/place/${place}?who=${who}&have=${have}`, show);
opensLink(people, async (one, token) => {
  choose(one.id, one.dm);
  heard(await post('office/command', { who: one.id, place: one.dm, text: `link ${token}` }));
});
