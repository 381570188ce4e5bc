import { $, PEOPLE, PREFIX, el, follow, headers, link, meta, moveOn, opensLink, post, sends, tab, tell } from './played.js';

let people = [];
let groups = [];
let who = 0; // the person who holds the phone
let chat = 0; // their private chat, or a group
let have = '';
let replyTo = 0;
let thread = 0;

const KINDS = { bold: 'b', italic: 'i', underline: 'u', strikethrough: 's', code: 'code', pre: 'code', blockquote: 'i' };

/** Text with its entities (UTF-16 offsets, which is what JavaScript counts in). */
function rich(text, entities = []) {
  const whole = document.createDocumentFragment();
  const cuts = new Set([0, text.length]);
  for (const one of entities) cuts.add(one.offset).add(one.offset + one.length);
  const at = [...cuts].sort((a, b) => a - b);
  for (let i = 0; i < at.length - 1; i += 1) {
    let node = document.createTextNode(text.slice(at[i], at[i + 1]));
    for (const one of entities) {
      if (KINDS[one.type] && one.offset <= at[i] && one.offset + one.length >= at[i + 1]) {
        const wrap = el(KINDS[one.type]);
        wrap.append(node);
        node = wrap;
      }
    }
    whole.append(node);
  }
  return whole;
}

function drawn(message, bot) {
  const mine = message.from.id === who;
  const item = el('li', mine ? 'mine' : '');
  const bubble = el('div', 'bubble');
  if (!mine && message.from.id !== bot) bubble.append(el('small', '', message.from.first_name));
  if (message.reply_to_message) {
    bubble.append(el('div', 'quoted', message.reply_to_message.text || message.reply_to_message.caption || ''));
  }
  if (message.photo) {
    const picture = el('img');
    picture.src = `${PREFIX}/phone/photo/${encodeURIComponent(message.photo.at(-1).file_id)}`;
    picture.alt = '';
    bubble.append(picture);
  }
  const text = message.text ?? message.caption ?? '';
  bubble.append(rich(text, message.entities ?? message.caption_entities ?? []));
  if (message.edit_date) bubble.append(el('small', '', 'edited'));
  item.append(bubble);
  const rows = message.reply_markup?.inline_keyboard ?? [];
  if (rows.length) {
    const keys = el('div', 'keys');
    rows.forEach((row, r) => {
      const line = el('div');
      row.forEach((one, c) => {
        if (one.url) {
          line.append(link(one.url, one.text));
        } else {
          const key = el('button', '', one.text);
          key.type = 'button';
          key.addEventListener('click', () => press(message.message_id, r, c));
          line.append(key);
        }
      });
      keys.append(line);
    });
    item.append(keys);
  }
  if (!mine) {
    const reply = el('button', 'reply', 'Reply');
    reply.type = 'button';
    reply.addEventListener('click', () => replying(message.message_id, text));
    item.append(reply);
  }
  return item;
}

function replying(id, text) {
  replyTo = id;
  $('replying').hidden = !id;
  $('replying').querySelector('span').textContent = id ? `Replying to: ${text.slice(0, 60)}` : '';
  if (id) $('text').focus();
}

async function press(message, row, column) {
  const said = await post('phone/press', { who, chat: chat === who ? 0 : chat, message, row, column });
  if (said?.text) {
    if (said.show_alert) tell(said.text);
    else $('state').textContent = said.text;
  }
}

function menu() {
  const bar = $('people');
  bar.replaceChildren();
  for (const one of people) bar.append(tab(one.name, one.id === chat, () => choose(one.id, one.id, one.name)));
  for (const one of groups) {
    const holder = one.members.includes(who) ? who : one.members[0];
    bar.append(tab(one.title, one.id === chat, () => choose(holder, one.id, one.title)));
  }
}

function choose(person, where, title) {
  who = person;
  $('text').disabled = false;
  chat = where;
  have = '';
  thread = 0;
  replying(0, '');
  $('log').replaceChildren();
  $('state').textContent = '';
  const holder = people.find((one) => one.id === who)?.name ?? '';
  $('title').textContent = where === person ? `${holder} and @${meta('app')}` : `${title}, as ${holder}`;
  menu();
  moveOn();
}

async function load() {
  const found = await (await fetch(`${PREFIX}/phone/chats`, { headers })).json();
  people = found.people;
  groups = found.groups;
}

function show(found) {
  if (!found.messages) return;
  have = found.have;
  const log = $('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.replaceChildren(...found.messages.map((one) => drawn(one, found.bot)));
  if (found.draft) log.append(el('li', 'draft', el('div', 'bubble', found.draft)));
  thread = found.topics.filter((one) => !one.closed).at(-1)?.id ?? 0;
  if (atEnd || found.messages.length < 3) log.scrollTop = log.scrollHeight;
}

$('write').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text) return;
  $('text').value = '';
  $('state').textContent = '';
  await post('phone/say', { who, chat: chat === who ? 0 : chat, text, reply_to: replyTo, thread: chat === who ? 0 : thread });
  replying(0, '');
});
sends($('write'), $('text'));
$('no-reply').addEventListener('click', () => replying(0, ''));
$('start').addEventListener('click', () => post('phone/start', { who }));
$('block').addEventListener('click', () => post('phone/block', { who }));
$('new-person').addEventListener('submit', async (event) => {
  event.preventDefault();
  const id = await post('phone/person', { name: new FormData(event.target).get('name') });
  event.target.reset();
  await load();
  choose(id, id, '');
});
$('new-group').addEventListener('submit', async (event) => {
  event.preventDefault();
  const given = new FormData(event.target);
  const id = await post('phone/group', { title: given.get('title'), forum: given.has('forum'), members: people.map((one) => one.id) });
  event.target.reset();
  await load();
  choose(who, id, groups.find((one) => one.id === id).title);
});

for (const name of PEOPLE) await post('phone/person', { name });
await load();
const ana = people.find((one) => one.name.startsWith('Ana')) ?? people[0];
choose(ana.id, ana.id, '');
follow(() => `phone/chat/${chat}?have=${have}`, show);
opensLink(people, async (one, payload) => {
  choose(one.id, one.id, '');
  await post('phone/start', { who: one.id, payload });
});
