/* <traveloure-chat>: the travel chat as one element, for any page.

     <script type="module" src="https://HOST/static/traveloure-chat.js" data-site="KEY"></script>

   One file, no dependency, no build. It speaks HTTP POST up and server-sent events down (docs/chat.md), builds every
   node by hand (nothing is ever parsed as HTML) and brings its styles as a constructable sheet, so that it runs under a
   strict content security policy with Trusted Types. Reading order: words, small tools, styles, parts, the line to the
   house, the element. */

const HERE = new URL(import.meta.url);
const SVG = 'http://www.w3.org/2000/svg';

/* ── words ─────────────────────────────────────────────────────────────────────────────────────── */

const WORDS = {
  open: 'Open the travel chat',
  close: 'Close the chat',
  unread: (n) => `${n} unread message${n === 1 ? '' : 's'}`,
  log: 'Conversation',
  assistant: 'Automated assistant',
  waiting: 'Waiting for a person',
  expert: 'Travel expert',
  person: 'Talk to a person',
  unwait: 'Stop waiting',
  back: 'Back to the assistant',
  onward: (where) => `Go on in ${where}`,
  onwardLink: (where) => `Open ${where}`,
  messengers: { telegram: 'Telegram', slack: 'Slack' },
  placeholder: 'Where would you like to go?',
  placeholderPerson: (name) => `Write to ${name}`,
  send: 'Send',
  attach: 'Send a picture or a PDF',
  offline: 'No connection. What you write is kept and sent as soon as we are back.',
  unsent: 'Not sent yet. It will be sent as soon as we are back.',
  later: (s) => `Sending again in ${s} s`,
  edit: 'Edit',
  remove: 'Remove',
  retry: 'Try again',
  today: 'Today',
  yesterday: 'Yesterday',
  typing: (who) => `${who} is typing`,
  jump: 'Newest messages',
  previous: 'Show earlier offers',
  next: 'Show more offers',
  offers: 'Offers',
  rated: (r, n) => (n ? `Rated ${r} out of 5 by ${n}` : `Rated ${r} out of 5`),
  was: 'Before',
  less: (what) => `${what}: one less`,
  more: (what) => `${what}: one more`,
  copy: (what) => `Copy ${what}`,
  copied: 'Copied',
  sent: 'Sent',
  goBack: 'Go back',
  notSent: 'That did not go through. Check your connection and press again.',
  download: 'Download',
  unknown: 'This message needs a newer version of this page. Please reload it.',
  fresh: 'This chat started anew.',
  newTab: '(opens a new tab)',
  paid: 'Paid',
  payClosed: 'Payment closed',
  choices: 'Suggested answers',
  you: 'You',
  tooBig: 'That file is too big. Up to 5 MB can be sent.',
  sending: 'Sending',
  loading: 'Loading the conversation',
  restart: 'Chat could not be started.',
};

/* ── small tools ───────────────────────────────────────────────────────────────────────────────── */

/** el('div.row.mine', {title: 'x', onclick: f}, 'text', node, null): the only way nodes are made. */
export function el(spec, given = {}, ...children) {
  const [name, ...classes] = spec.split('.');
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(' ');
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ''));
  return node;
}

const PATHS = {
  chat: ['M7 4.5h10A3.5 3.5 0 0 1 20.5 8v5.5A3.5 3.5 0 0 1 17 17h-5.3l-4.7 3.5V17A3.5 3.5 0 0 1 3.5 13.5V8A3.5 3.5 0 0 1 7 4.5z'],
  close: ['M6 6l12 12M18 6L6 18'],
  send: ['M12 19V5.5M6 11l6-6 6 6'],
  clip: ['M19 11.5l-7.4 7.4a4.6 4.6 0 0 1-6.5-6.5l8-8a3.1 3.1 0 0 1 4.4 4.4l-8 8a1.5 1.5 0 0 1-2.2-2.2l7.2-7.2'],
  person: ['M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z', 'M4.5 20c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5'],
  compass: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M15.6 8.4l-2 5.2-5.2 2 2-5.2z'],
  left: ['M14.5 5.5L8 12l6.5 6.5'],
  right: ['M9.5 5.5L16 12l-6.5 6.5'],
  down: ['M12 5v13.5M6 13l6 6 6-6'],
  minus: ['M6 12h12'],
  plus: ['M6 12h12M12 6v12'],
  copy: ['M9 9h10.5v10.5H9z', 'M15 9V4.5H4.5V15H9'],
  check: ['M5 12.5l4.6 4.6L19 7.5'],
  clock: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M12 7v5.2l3.3 2'],
  info: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M12 11v5.5', 'M12 7.6v.2'],
  alert: ['M12 4L2.8 19.5h18.4z', 'M12 10v4.2', 'M12 16.8v.2'],
  file: ['M6 3.5h8l4.5 4.5v12.5H6z', 'M14 3.5V8h4.5'],
  picture: ['M4 5h16v14H4z', 'M4 16l5-5 4 4 2.5-2.5L20 17', 'M15.5 9.3v.2'],
  external: ['M9 6H5.5v12.5H18V15', 'M13 5h6v6', 'M19 5l-8.5 8.5'],
};

export function icon(name, label) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
  } else svg.setAttribute('aria-hidden', 'true');
  for (const d of PATHS[name] ?? PATHS.info) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

function star() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'star');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', 'M12 2.8l2.8 5.9 6.4.8-4.7 4.5 1.2 6.4L12 17.3l-5.7 3.1 1.2-6.4L2.8 9.5l6.4-.8z');
  svg.append(path);
  return svg;
}

const uuid = () =>
  crypto.randomUUID
    ? crypto.randomUUID()
    : Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

const SAFE = ['https:', 'http:', 'mailto:', 'tel:'];

/** An address that may be followed, absolute; '#' for everything else. */
function safe(url, base) {
  try {
    const full = new URL(String(url), base);
    return SAFE.includes(full.protocol) ? full.href : '#';
  } catch {
    return '#';
  }
}

/** Storage that may be forbidden: then this page remembers for itself. */
function shelf(kind) {
  const memory = new Map();
  const real = () => (kind === 'local' ? localStorage : sessionStorage);
  return {
    get(key) {
      try {
        return JSON.parse(real().getItem(key) ?? 'null') ?? memory.get(key) ?? null;
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        real().setItem(key, JSON.stringify(value));
      } catch {
        /* kept in memory only */
      }
    },
    drop(key) {
      memory.delete(key);
      try {
        real().removeItem(key);
      } catch {
        /* nothing was kept */
      }
    },
  };
}

const kept = shelf('local');
const tab = shelf('session');

/** Offsets count characters as the server does (code points), not UTF-16 units. */
function cut(text, offset) {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text).slice(0, offset).join('') : text.slice(0, offset);
}
const length = (text) => (/[\ud800-\udfff]/.test(text) ? Array.from(text).length : text.length);

/* ── styles ────────────────────────────────────────────────────────────────────────────────────── */

const LIGHT = `
  --ink:#15211f; --muted:#57645f; --line:#e1e7e4; --edge:#86948f; --surface:#ffffff; --sunk:#f3f6f5; --raised:#ffffff;
  --accent:#0a6a60; --accent-hover:#085349; --on-accent:#ffffff; --accent-soft:#e3f1ee; --accent-ink:#0a5f56;
  --mine:#0a6a60; --on-mine:#ffffff; --person:#eef1fb; --star:#b26a00;
  --ok:#14663f; --ok-soft:#e5f4eb; --warn:#7d4700; --warn-soft:#fdf0dd; --bad:#a1222b; --bad-soft:#fcebeb; --info:#1c4c86; --info-soft:#e7effa;
  --shadow:0 1px 2px rgb(16 40 36/.06),0 4px 14px rgb(16 40 36/.07); --float:0 10px 40px rgb(12 32 30/.18),0 2px 10px rgb(12 32 30/.10);
  color-scheme:light;`;
const DARK = `
  --ink:#e9efed; --muted:#a7b4b0; --line:#2a3735; --edge:#73827e; --surface:#101716; --sunk:#1a2322; --raised:#161e1d;
  --accent:#63cdbb; --accent-hover:#86dccd; --on-accent:#05231e; --accent-soft:#16332e; --accent-ink:#7fd9ca;
  --mine:#1b5149; --on-mine:#f0fbf8; --person:#20263a; --star:#f2b75c;
  --ok:#7ed6a5; --ok-soft:#143325; --warn:#f1bd72; --warn-soft:#372710; --bad:#ff9f9f; --bad-soft:#3d1a1c; --info:#9cc3f5; --info-soft:#162a44;
  --shadow:0 1px 2px rgb(0 0 0/.4),0 4px 14px rgb(0 0 0/.35); --float:0 12px 44px rgb(0 0 0/.6),0 2px 10px rgb(0 0 0/.4);
  color-scheme:dark;`;

const CSS = `
:host{all:initial;${LIGHT}
  font:400 15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Inter,Arial,"Liberation Sans",sans-serif;
  color:var(--ink);-webkit-text-size-adjust:100%;text-size-adjust:100%}
@media (prefers-color-scheme:dark){:host(:not([theme=light])){${DARK}}}
:host([theme=dark]){${DARK}}
:host([embedded]){display:block;height:100%}
:host([hidden]){display:none}
*,*::before,*::after{box-sizing:border-box}
[hidden]{display:none!important}
button,input,select,textarea{font:inherit;color:inherit;letter-spacing:inherit}
button{cursor:pointer;background:none;border:0;padding:0}
a{color:var(--accent-ink)}
ul,ol{margin:0;padding:0;list-style:none}
p{margin:0}
.icon{width:20px;height:20px;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round;flex:none}
.star{width:14px;height:14px;fill:var(--star);flex:none}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}

.launcher{position:fixed;inset-block-end:max(20px,env(safe-area-inset-bottom));inset-inline-end:20px;z-index:2147483000;width:58px;height:58px;border-radius:50%;
  background:var(--accent);color:var(--on-accent);display:grid;place-items:center;box-shadow:var(--float);transition:transform .16s ease,background .16s}
.launcher:hover{background:var(--accent-hover);transform:translateY(-2px)}
.launcher .icon{width:26px;height:26px}
.launcher:focus-visible{outline-offset:3px}
.badge-n{position:absolute;inset-block-start:-3px;inset-inline-end:-3px;min-width:22px;height:22px;padding:0 6px;border-radius:11px;background:#b3261e;color:#fff;
  font-size:12.5px;font-weight:650;line-height:22px;text-align:center;box-shadow:0 0 0 2px var(--surface)}
:host([embedded]) .launcher{display:none}

.panel{position:fixed;z-index:2147483001;inset-block-end:94px;inset-inline-end:20px;width:min(412px,calc(100vw - 40px));height:min(700px,calc(100dvh - 118px));
  display:flex;flex-direction:column;background:var(--surface);border:1px solid var(--line);border-radius:18px;box-shadow:var(--float);overflow:hidden;
  animation:rise .18s cubic-bezier(.2,.8,.3,1)}
:host([embedded]) .panel{position:relative;inset:auto;width:100%;height:100%;border:0;border-radius:0;box-shadow:none;animation:none}
@keyframes rise{from{opacity:0;transform:translateY(10px)}}

.top{display:flex;align-items:center;gap:11px;padding:12px 12px 12px 16px;border-block-end:1px solid var(--line);background:var(--raised);padding-block-start:max(12px,env(safe-area-inset-top))}
.face{width:38px;height:38px;border-radius:50%;display:grid;place-items:center;background:var(--accent-soft);color:var(--accent-ink);flex:none;font-weight:650;position:relative}
.face .icon{width:22px;height:22px}
.face.on::after{content:"";position:absolute;inset-block-end:0;inset-inline-end:0;width:10px;height:10px;border-radius:50%;background:#1c9a5b;box-shadow:0 0 0 2px var(--raised)}
.who{min-width:0;flex:1}
.who b{display:block;font-weight:650;font-size:15.5px;line-height:1.25;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.who>div{display:flex;flex-wrap:wrap;align-items:center;gap:3px 8px;margin-block-start:2px}
.sub-line{font-size:12.5px;line-height:1.3;color:var(--muted)}
.ask{display:inline-flex;align-items:center;gap:5px;min-height:26px;padding:2px 10px;border-radius:13px;font-size:12.5px;font-weight:600;color:var(--accent-ink);white-space:nowrap;background:var(--accent-soft)}
.ask:hover{text-decoration:underline;text-underline-offset:2px}
.round{width:40px;height:40px;border-radius:50%;display:grid;place-items:center;color:var(--muted);flex:none}
.round:hover{background:var(--sunk);color:var(--ink)}

.banner{display:flex;gap:8px;align-items:center;padding:8px 16px;font-size:13px;line-height:1.4;background:var(--warn-soft);color:var(--warn)}
.banner .icon{width:17px;height:17px}
.banner.bad{background:var(--bad-soft);color:var(--bad)}

.wrap{position:relative;flex:1;min-width:0;min-height:0;display:flex}
.log{flex:1;min-width:0;overflow-y:auto;overflow-x:hidden;overscroll-behavior:contain;padding:18px 16px 10px;scroll-behavior:auto;outline-offset:-3px}
:host([embedded]) .log{padding-inline:max(16px,calc(50% - 360px))}
:host([embedded]) .foot{padding-inline:max(12px,calc(50% - 364px))}
.day{display:flex;align-items:center;gap:10px;margin:14px 0 12px;color:var(--muted);font-size:12.5px;font-weight:550}
.day::before,.day::after{content:"";height:1px;flex:1;background:var(--line)}
.log>.day:first-child{margin-block-start:0}
.row{position:relative;display:flex;flex-direction:column;align-items:flex-start;gap:8px;margin-block-end:14px}
.row.near{margin-block-start:-8px}
.row.mine{align-items:flex-end}
.by{font-size:12.5px;font-weight:600;color:var(--muted);margin-inline-start:4px;margin-block-end:-3px}
.bubble{max-width:min(82%,560px);padding:10px 14px;border-radius:16px;background:var(--sunk);overflow-wrap:anywhere;text-align:start;unicode-bidi:plaintext}
.bubble{border-end-start-radius:5px}
.mine .bubble{background:var(--mine);color:var(--on-mine);border-radius:16px;border-end-end-radius:5px}
.mine .bubble a{color:inherit}
.expert .bubble{background:var(--person)}
.bubble>*+*{margin-block-start:7px}
.bubble p{white-space:pre-wrap}
.bubble ul,.bubble ol{padding-inline-start:19px}
.bubble ul{list-style:disc}.bubble ol{list-style:decimal}
.bubble li+li{margin-block-start:3px}
.bubble b{font-weight:650}
.bubble code{font:500 13.5px/1.4 ui-monospace,SFMono-Regular,Menlo,monospace;background:color-mix(in srgb,currentColor 9%,transparent);padding:1px 5px;border-radius:5px}
.draft .bubble::after{content:"";display:inline-block;width:7px;height:15px;margin-inline-start:3px;vertical-align:-2px;border-radius:2px;background:var(--accent);animation:blink 1s steps(2) infinite}
@keyframes blink{50%{opacity:.15}}
.row>time{position:absolute;inset-block-start:10px;font-size:12px;color:var(--muted);opacity:0;transition:opacity .12s;pointer-events:none;inset-inline-end:2px}
.row.mine>time{inset-inline-end:auto;inset-inline-start:2px}
.row:hover>time,.row:focus-within>time{opacity:1}
.row.wide>time{inset-block-start:auto;inset-block-end:-13px}
.fate{display:flex;align-items:center;flex-wrap:wrap;justify-content:flex-end;gap:4px 10px;font-size:12.5px;color:var(--muted);margin-block-start:-3px}
.fate.bad{color:var(--bad)}
.fate button{font-weight:600;text-decoration:underline;text-underline-offset:2px;padding:3px 0}
.note{align-self:center;text-align:center;font-size:13px;color:var(--muted);max-width:88%;padding:2px 8px}
.desk.row{align-items:flex-start}
.desk.ours{align-items:flex-end}
.desk.ours .bubble{border-radius:16px;border-end-end-radius:5px}
.desk.ours.bot .bubble{background:var(--accent-soft)}
.desk.ours.expert .bubble{background:var(--mine);color:var(--on-mine)}
.desk.ours.expert .bubble a{color:inherit}
.desk .rail,.desk .box{max-width:520px}
.desk .box{width:100%}
.desk.ours .chips{justify-content:flex-end}
.desk .rail{width:100%;margin-inline:0}
.row.desk.staff .bubble{background:var(--warn-soft);color:var(--warn);border:1px dashed currentColor}

.card,.box{background:var(--raised);border:1px solid var(--line);border-radius:14px;box-shadow:var(--shadow)}
.box{width:100%;max-width:560px;padding:15px 16px 16px;overflow-wrap:anywhere}
.box h3{margin:0;font-size:15.5px;line-height:1.35;font-weight:650}
.box .lead{color:var(--muted);font-size:14px;margin-block-start:4px}

.rail{position:relative;width:calc(100% + 32px);margin-inline:-16px}
.rail>ul{display:flex;gap:12px;overflow-x:auto;overscroll-behavior-x:contain;scroll-snap-type:x mandatory;scroll-padding-inline:16px;padding:4px 16px 12px;scrollbar-width:none;outline-offset:-2px;border-radius:10px}
.rail>ul::-webkit-scrollbar{display:none}
.rail.single>ul{overflow:visible}
:host([embedded]) .rail{width:100%;margin-inline:0}
:host([embedded]) .rail>ul{padding-inline:1px;scroll-padding-inline:1px}
.card{flex:0 0 min(248px,76%);scroll-snap-align:start;display:flex;flex-direction:column;overflow:hidden;overflow-wrap:anywhere}
.single .card{flex-basis:100%;max-width:420px}
.pic{position:relative;aspect-ratio:16/10;background:linear-gradient(150deg,var(--accent-soft),var(--sunk));display:grid;place-items:center;color:var(--accent-ink)}
.pic img{position:absolute;inset:0;width:100%;height:100%;object-fit:cover}
.tag{position:absolute;inset-block-start:10px;inset-inline-start:10px;padding:3px 9px;border-radius:20px;font-size:12px;font-weight:600;line-height:1.45;background:var(--surface);color:var(--ink);box-shadow:0 1px 4px rgb(0 0 0/.18)}
.tag.ok{color:var(--ok)}.tag.warn{color:var(--warn)}.tag.info{color:var(--info)}
.body{display:flex;flex-direction:column;gap:5px;padding:12px 14px 14px;flex:1}
.body h3{margin:0;font-size:15px;line-height:1.3;font-weight:650}
.sub,.facts,.rate{font-size:13px;color:var(--muted);line-height:1.4}
.rate{display:flex;align-items:center;gap:4px;flex-wrap:wrap}
.rate b{color:var(--ink);font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:0 6px}
.facts li:not(:last-child)::after{content:"·";margin-inline-start:6px}
.cost{margin-block-start:auto;padding-block-start:6px;display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 7px;font-variant-numeric:tabular-nums}
.cost b{font-size:18px;font-weight:700;letter-spacing:-.01em}
.cost span{font-size:13px;color:var(--muted)}
.cost s{font-size:13.5px;color:var(--muted)}
.left{font-size:12.5px;font-weight:600;color:var(--warn)}
.acts{display:flex;flex-wrap:wrap;gap:8px;margin-block-start:8px}
.card .acts>*{flex:1 1 auto}
.slide{position:absolute;inset-block-start:86px;width:38px;height:38px;border-radius:50%;display:grid;place-items:center;background:var(--surface);color:var(--ink);border:1px solid var(--line);box-shadow:var(--float);z-index:1}
.slide:hover{color:var(--accent-ink);border-color:var(--accent)}
.slide.prev{inset-inline-start:8px}.slide.next{inset-inline-end:8px}
:host([dir=rtl]) .slide .icon{transform:scaleX(-1)}

.btn{position:relative;display:inline-flex;align-items:center;justify-content:center;gap:7px;min-height:40px;padding:8px 15px;border-radius:11px;border:1px solid var(--edge);background:var(--raised);
  color:var(--ink);font-size:14px;line-height:1.25;font-weight:600;text-decoration:none;text-align:center;transition:background .12s,border-color .12s}
.btn:hover{background:var(--sunk);border-color:var(--muted)}
.btn.primary{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}
.btn.primary:hover{background:var(--accent-hover);border-color:var(--accent-hover)}
.btn.danger{color:var(--bad);border-color:var(--bad)}
.btn.danger:hover{background:var(--bad-soft)}
.btn .icon{width:16px;height:16px}
.btn[disabled],.btn[aria-disabled=true]{cursor:default;opacity:.62}
.btn[aria-busy=true]{opacity:1}
.btn[aria-busy=true]::before{content:"";width:14px;height:14px;border-radius:50%;border:2px solid currentColor;border-inline-end-color:transparent;animation:turn .7s linear infinite}
@keyframes turn{to{transform:rotate(1turn)}}
.chips{display:flex;flex-wrap:wrap;gap:8px;width:100%}
.chips .btn{border-radius:20px;min-height:38px;padding:6px 14px;border-color:var(--accent);color:var(--accent-ink);font-weight:550;background:var(--surface)}
.chips .btn:hover{background:var(--accent-soft)}
.chips .btn.primary{background:var(--accent);color:var(--on-accent)}
.oops{display:flex;gap:7px;align-items:flex-start;width:100%;font-size:13.5px;line-height:1.45;color:var(--bad);margin-block-start:8px}
.oops .icon{width:17px;height:17px;margin-block-start:1px}
.sure{width:100%;padding:12px 14px;border-radius:12px;background:var(--sunk);margin-block-start:10px;font-size:14px}

.fields{display:grid;gap:14px;margin-block-start:13px}
.field{display:grid;gap:5px;min-width:0}
.field label{font-size:13.5px;font-weight:600}
.help{font-size:13px;color:var(--muted)}
.err{font-size:13px;color:var(--bad)}
.in{width:100%;min-height:44px;padding:9px 12px;border:1px solid var(--edge);border-radius:11px;background:var(--surface);font-size:16px;line-height:1.4}
textarea.in{min-height:84px;resize:vertical}
.in:focus-visible{outline:2px solid var(--accent);outline-offset:0;border-color:var(--accent)}
[aria-invalid=true].in,[aria-invalid=true] .in{border-color:var(--bad)}
.field.step{grid-template-columns:1fr auto;align-items:center;gap:12px}
.field.step>div:first-child{display:grid;gap:1px}
.stepper{display:flex;align-items:center;gap:4px}
.stepper input{width:46px;min-height:40px;text-align:center;border:0;background:none;font-size:17px;font-weight:600;font-variant-numeric:tabular-nums;-moz-appearance:textfield;appearance:textfield;border-radius:8px;padding:0}
.stepper input::-webkit-inner-spin-button{-webkit-appearance:none;margin:0}
.stepper button{width:40px;height:40px;border-radius:50%;border:1px solid var(--edge);display:grid;place-items:center}
.stepper button:hover{border-color:var(--accent);color:var(--accent-ink)}
.stepper button[disabled]{opacity:.4;cursor:default}
.field.tick{grid-template-columns:auto 1fr;gap:4px 10px;align-items:start}
.field.tick input{width:20px;height:20px;margin:1px 0 0;accent-color:var(--accent)}
.field.tick label{font-weight:450;font-size:14px}
.field.tick .help,.field.tick .err{grid-column:2}
.box .acts{margin-block-start:16px}
.done-mark{display:flex;align-items:center;gap:6px;color:var(--ok);font-size:14px;font-weight:600;margin-block-start:12px}
.done-mark .icon{width:18px;height:18px}

.group{margin-block-start:12px;padding-block-start:12px;border-block-start:1px solid var(--line)}
.group h4{margin:0 0 6px;font-size:12.5px;font-weight:650;letter-spacing:.02em;color:var(--muted)}
.line{display:grid;grid-template-columns:1fr auto;gap:0 14px;padding:5px 0;font-size:14.5px}
.line>div:first-child{min-width:0}
.line small{display:block;white-space:pre-line;font-size:13px;color:var(--muted);line-height:1.4}
.amount{font-variant-numeric:tabular-nums;text-align:end;white-space:nowrap}
.amount s{color:var(--muted);font-size:13px;margin-inline-end:6px}
.line .acts{grid-column:1/-1;margin-block-start:5px}
.line .btn{grid-column:1/-1;justify-self:start;min-height:30px;padding:3px 10px;margin-block-start:5px;font-size:13px;border-radius:9px}
.sum{display:flex;justify-content:space-between;gap:14px;font-weight:650;padding-block-start:8px;font-size:14.5px}
.sum.grand{margin-block-start:12px;padding-block-start:13px;border-block-start:1px solid var(--line);font-size:16.5px;font-weight:700}
.fine{margin-block-start:10px;font-size:13px;color:var(--muted);line-height:1.45}

.status{display:grid;grid-template-columns:auto 1fr;gap:0 12px}
.seal{width:34px;height:34px;border-radius:50%;display:grid;place-items:center;background:var(--info-soft);color:var(--info)}
.status.ok .seal{background:var(--ok-soft);color:var(--ok)}
.status.warn .seal{background:var(--warn-soft);color:var(--warn)}
.status.bad .seal{background:var(--bad-soft);color:var(--bad)}
.status>div{min-width:0;grid-column:2}
.top-pic{grid-column:1/-1;width:calc(100% + 32px);margin:-15px -16px 12px;aspect-ratio:16/8;object-fit:cover;border-radius:13px 13px 0 0}
.top-pic+div{grid-column:1/-1}
.status h3{padding-block-start:6px}
.status .text{font-size:14.5px;margin-block-start:5px}
.status ul{margin-block-start:9px;display:grid;gap:5px;font-size:14.5px}
.ref{display:inline-flex;align-items:center;gap:7px;padding:2px 4px 2px 10px;margin:1px 0;border-radius:9px;background:var(--sunk);font:600 14px/1.4 ui-monospace,SFMono-Regular,Menlo,"Liberation Mono",monospace;letter-spacing:.03em;white-space:nowrap}
.ref button{width:28px;height:28px;border-radius:7px;display:grid;place-items:center;color:var(--muted)}
.ref button:hover{background:var(--line);color:var(--ink)}
.ref .icon{width:16px;height:16px}

.file{display:flex;align-items:center;gap:11px;max-width:min(86%,360px);padding:10px 14px;border:1px solid var(--line);border-radius:14px;background:var(--raised);text-align:start}
.file:hover{border-color:var(--edge)}
.file .icon{color:var(--accent-ink)}
.file b{display:block;font-size:14px;font-weight:600;overflow-wrap:anywhere;line-height:1.35}
.file span{font-size:12.5px;color:var(--muted)}

.typing{display:flex;align-items:center;gap:9px;font-size:13px;color:var(--muted);padding:0 18px 8px;min-height:0}
:host([embedded]) .typing{padding-inline:max(18px,calc(50% - 356px))}
.dots{display:inline-flex;gap:4px;padding:9px 11px;border-radius:14px;background:var(--sunk)}
.dots i{width:6px;height:6px;border-radius:50%;background:var(--muted);animation:hop 1.1s infinite ease-in-out}
.dots i:nth-child(2){animation-delay:.15s}.dots i:nth-child(3){animation-delay:.3s}
@keyframes hop{0%,60%,100%{transform:none;opacity:.55}30%{transform:translateY(-4px);opacity:1}}
.jump{position:absolute;inset-block-end:10px;inset-inline-start:50%;transform:translateX(-50%);display:flex;align-items:center;gap:6px;height:36px;padding:0 14px;border-radius:18px;background:var(--surface);border:1px solid var(--line);box-shadow:var(--float);font-size:13px;font-weight:600;white-space:nowrap}
:host([dir=rtl]) .jump{transform:translateX(50%)}
.jump .icon{width:16px;height:16px}
.bones{display:grid;gap:12px}
.bones i{display:block;height:44px;border-radius:16px;background:var(--sunk);width:70%;animation:breathe 1.3s infinite}
.bones i:nth-child(2){width:52%}
@keyframes breathe{50%{opacity:.5}}

.foot{display:flex;align-items:flex-end;gap:6px;padding:10px 12px;padding-block-end:max(10px,env(safe-area-inset-bottom));border-block-start:1px solid var(--line);background:var(--raised)}
.foot .round{height:44px;width:42px}
.entry{flex:1;min-width:0;display:flex;border:1px solid var(--edge);border-radius:22px;background:var(--surface)}
.entry:focus-within{outline:2px solid var(--accent);outline-offset:0;border-color:var(--accent)}
.entry textarea{flex:1;min-width:0;border:0;background:none;outline:0;resize:none;padding:10px 16px;font-size:16px;line-height:22px;height:42px;max-height:132px;overflow-y:auto}
.entry textarea::placeholder{color:var(--muted);opacity:1}
.go{width:44px;height:44px;border-radius:50%;display:grid;place-items:center;background:var(--accent);color:var(--on-accent);flex:none}
.go:hover{background:var(--accent-hover)}
.go[disabled]{background:var(--sunk);color:var(--muted);cursor:default}

@media (max-width:520px){
  :host(:not([embedded])) .panel{inset:0;width:100vw;height:var(--seen,100dvh);border:0;border-radius:0;max-height:none}
  :host([open]:not([embedded])) .launcher{display:none}
  .bubble{max-width:88%}
  .row>time{display:none}
}
@media (prefers-reduced-motion:reduce){*,*::before,*::after{animation-duration:.001s!important;animation-iteration-count:1!important;transition:none!important}}
@media (forced-colors:active){.btn,.card,.box,.bubble,.ask{border:1px solid}}
`;

let sheet = null;
/** The one sheet, shared by every element of the page (and by the desk's transcript). */
export function styles() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}

/* ── parts: each draws one kind of message part; `ctx` knows where the house is and what a press does ─────────── */

const INLINE = /\*\*(.+?)\*\*|`([^`\n]+)`|\b(https?:\/\/[^\s<>"')\]]+[^\s<>"')\].,;:!?])/g;

function anchor(ctx, text, url, extra = {}) {
  return el('a', { href: safe(url, ctx.base), target: '_blank', rel: 'noopener noreferrer', ...extra }, text);
}

function inline(ctx, text) {
  const out = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    out.push(text.slice(at, match.index));
    if (match[1] !== undefined) out.push(el('b', {}, ...inline(ctx, match[1])));
    else if (match[2] !== undefined) out.push(el('code', {}, match[2]));
    else out.push(ctx.draft ? match[3] : anchor(ctx, match[3], match[3])); // what is still being said has not been checked for links
    at = match.index + match[0].length;
  }
  out.push(text.slice(at));
  return out;
}

/** Paragraphs, lists, bold, code and addresses as they are written (no words hide where they lead); the rest stays text. */
function markdown(ctx, text) {
  const blocks = [];
  let list = null;
  let lines = [];
  const close = () => {
    if (lines.length) blocks.push(el('p', {}, ...inline(ctx, lines.join('\n'))));
    lines = [];
  };
  for (const line of String(text).split('\n')) {
    const item = /^\s*(?:[-*•]|(\d{1,2})[.)])\s+(.*)$/.exec(line);
    if (item) {
      close();
      const kind = item[1] ? 'ol' : 'ul';
      if (!list || list.localName !== kind) {
        list = el(kind, item[1] && item[1] !== '1' ? { start: item[1] } : {});
        blocks.push(list);
      }
      list.append(el('li', {}, ...inline(ctx, item[2])));
    } else if (line.trim() === '') {
      close();
      list = null;
    } else {
      list = null;
      lines.push(line);
    }
  }
  close();
  return blocks;
}

/** In place of a link to a payment that is over. */
function payOver(how) {
  return el('span.btn.plain', { 'aria-disabled': 'true' }, how);
}

function button(ctx, spec, tone = 'plain') {
  const over = spec.pays && ctx.settled?.get(spec.pays);
  if (over) return payOver(over);
  const style = ['primary', 'plain', 'danger'].includes(spec.style) ? spec.style : tone;
  if (spec.url && ctx.press) {
    const here = spec.same && new URL(ctx.base).origin === location.origin;
    const leaves = !here;
    return el(
      `a.btn.${style}`,
      { href: safe(spec.url, ctx.base), 'data-pays': spec.pays ?? null, ...(leaves ? { target: '_blank', rel: 'noopener noreferrer' } : {}) },
      spec.label,
      leaves ? icon('external') : null,
      leaves ? el('span.sr', {}, WORDS.newTab) : null,
    );
  }
  const node = el(`button.btn.${style}`, { type: 'button', disabled: !ctx.press }, spec.label);
  node.addEventListener('click', () => (spec.confirm ? confirmFirst(ctx, spec, node) : ctx.press(spec, node)));
  return node;
}

function buttons(ctx, list, box = 'div.acts') {
  if (!list?.length) return null;
  return el(box, {}, ...list.map((one) => button(ctx, one)));
}

function confirmFirst(ctx, spec, node) {
  const bar = node.closest('.acts,.chips,.line') ?? node.parentElement;
  bar.querySelector('.sure')?.remove();
  const yes = el(`button.btn.${spec.style === 'danger' ? 'danger' : 'primary'}`, { type: 'button' }, spec.label);
  const no = el('button.btn.plain', { type: 'button' }, WORDS.goBack);
  const box = el('div.sure', { role: 'group', 'aria-label': spec.confirm }, el('p', {}, spec.confirm), el('div.acts', {}, yes, no));
  const leave = () => {
    box.remove();
    node.focus();
  };
  no.addEventListener('click', leave);
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      leave();
    }
  });
  yes.addEventListener('click', async () => {
    if (await ctx.press(spec, yes, undefined, bar)) box.remove();
  });
  bar.append(box);
  yes.focus();
}

/** Say under the buttons what went wrong; nothing for none. */
function oops(place, text) {
  const old = place.querySelector(':scope > .oops');
  old?.remove();
  if (text) place.append(el('p.oops', { role: 'alert' }, icon('alert'), el('span', {}, text)));
}

function card(ctx, item) {
  const picture = el('div.pic', {}, icon('compass'));
  if (item.picture) {
    const img = el('img', { src: safe(item.picture, ctx.base), alt: item.picture_alt ?? '', loading: 'lazy', decoding: 'async' });
    img.addEventListener('error', () => img.remove());
    picture.append(img);
  }
  if (item.badge) picture.append(el(`span.tag.${['ok', 'warn'].includes(item.badge.tone) ? item.badge.tone : 'info'}`, {}, item.badge.text));
  const rating = item.rating
    ? el(
        'p.rate',
        {},
        star(),
        el('span.sr', {}, WORDS.rated(item.rating, item.reviews)),
        el('b', { 'aria-hidden': 'true' }, item.rating),
        item.reviews ? el('span', { 'aria-hidden': 'true' }, `(${item.reviews})`) : null,
        item.rating_note ? el('span', {}, `· ${item.rating_note}`) : null,
      )
    : null;
  return el(
    'li.card',
    {},
    picture,
    el(
      'div.body',
      {},
      el('h3', {}, item.title ?? ''),
      item.subtitle ? el('p.sub', {}, item.subtitle) : null,
      rating,
      item.meta?.length ? el('ul.facts', {}, ...item.meta.map((fact) => el('li', {}, fact))) : null,
      item.price
        ? el(
            'p.cost',
            {},
            item.was ? el('s', {}, el('span.sr', {}, `${WORDS.was} `), item.was) : null,
            el('b', {}, item.price),
            item.price_note ? el('span', {}, item.price_note) : null,
          )
        : null,
      item.note ? el('p.left', {}, item.note) : null,
      buttons(ctx, item.buttons),
    ),
  );
}

function cards(ctx, part) {
  const items = part.items ?? [];
  const list = el('ul', { role: 'list', tabindex: items.length > 1 ? 0 : null, 'aria-label': WORDS.offers }, ...items.map((one) => card(ctx, one)));
  const rail = el(items.length === 1 ? 'div.rail.single' : 'div.rail', {}, list);
  if (items.length < 2) return rail;
  const slide = (direction) => {
    const step = (list.firstElementChild?.offsetWidth ?? 240) + 12;
    const rtl = getComputedStyle(list).direction === 'rtl' ? -1 : 1;
    list.scrollBy({ left: direction * step * rtl, behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  };
  const previous = el('button.slide.prev', { type: 'button', 'aria-label': WORDS.previous, onclick: () => slide(-1), hidden: true }, icon('left'));
  const next = el('button.slide.next', { type: 'button', 'aria-label': WORDS.next, onclick: () => slide(1), hidden: true }, icon('right'));
  const look = () => {
    const room = list.scrollWidth - list.clientWidth;
    const at = Math.abs(list.scrollLeft);
    previous.hidden = at < 8;
    next.hidden = at > room - 8;
  };
  list.addEventListener('scroll', look, { passive: true });
  new ResizeObserver(look).observe(list);
  rail.append(previous, next);
  return rail;
}

function control(field, id) {
  const common = {
    id,
    name: field.name,
    required: Boolean(field.required),
    min: field.min ?? null,
    max: field.max ?? null,
    autocomplete: field.autocomplete ?? null,
  };
  if (field.kind === 'select') {
    const node = el('select.in', common, ...(field.options ?? []).map((one) => el('option', { value: one.value }, one.label)));
    if (field.value !== undefined && field.value !== null) node.value = String(field.value);
    return node;
  }
  if (field.kind === 'textarea') {
    const node = el('textarea.in', { ...common, rows: 3, maxlength: field.max ?? 1000, min: null, max: null });
    node.value = field.value ?? '';
    return node;
  }
  const type = { stepper: 'number', number: 'number', email: 'email', date: 'date', time: 'time', checkbox: 'checkbox' }[field.kind] ?? 'text';
  const node = el(type === 'checkbox' || field.kind === 'stepper' ? 'input' : 'input.in', { ...common, type, inputmode: type === 'number' ? 'numeric' : null });
  if (type === 'text') {
    node.removeAttribute('min');
    node.removeAttribute('max');
    node.maxLength = field.max ?? 300;
  }
  if (type === 'checkbox') node.checked = field.value === true || field.value === 'true';
  else node.value = field.value ?? '';
  return node;
}

function stepper(field, input) {
  const set = (by) => {
    const low = Number(field.min ?? 0);
    const high = Number(field.max ?? 99);
    input.value = String(Math.min(high, Math.max(low, (Number(input.value) || 0) + by)));
    input.dispatchEvent(new Event('input', { bubbles: true }));
  };
  const less = el('button', { type: 'button', 'aria-label': WORDS.less(field.label), onclick: () => set(-1) }, icon('minus'));
  const more = el('button', { type: 'button', 'aria-label': WORDS.more(field.label), onclick: () => set(1) }, icon('plus'));
  const look = () => {
    less.disabled = Number(input.value) <= Number(field.min ?? 0);
    more.disabled = Number(input.value) >= Number(field.max ?? 99);
  };
  input.addEventListener('input', look);
  look();
  return el('div.stepper', { role: 'group', 'aria-label': field.label }, less, input, more);
}

function formField(field, prefix) {
  const id = `${prefix}-${field.name}`;
  const input = control(field, id);
  const help = field.help ? el('p.help', { id: `${id}-help` }, field.help) : null;
  const err = el('p.err', { id: `${id}-err`, hidden: true });
  const label = el('label', { for: id }, field.label);
  if (field.kind === 'date') input.addEventListener('click', () => input.showPicker?.());
  let box;
  if (field.kind === 'checkbox') box = el('div.field.tick', {}, input, label, help, err);
  else if (field.kind === 'stepper') box = el('div.field.step', {}, el('div', {}, label, help, err), stepper(field, input));
  else box = el('div.field', {}, label, input, help, err);
  const tell = (text) => {
    err.textContent = text ?? '';
    err.hidden = !text;
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
    const described = [help && help.id, text && err.id].filter(Boolean).join(' ');
    if (described) input.setAttribute('aria-describedby', described);
    else input.removeAttribute('aria-describedby');
  };
  tell(field.error);
  input.addEventListener('input', () => tell(null));
  const read = () => {
    if (field.kind === 'checkbox') return input.checked;
    if (field.kind === 'number' || field.kind === 'stepper') return input.value === '' ? null : Number(input.value);
    return input.value;
  };
  return { box, input, tell, read, name: field.name };
}

let forms = 0;

function form(ctx, part) {
  forms += 1;
  const prefix = `f${forms}`;
  const fields = (part.fields ?? []).map((field) => formField({ ...field, error: field.error ?? part.errors?.[field.name] }, prefix));
  const heading = el('h3', { id: `${prefix}-title` }, part.title ?? '');
  const submit = el('button.btn.primary', { type: 'submit', disabled: !ctx.press }, part.submit?.label ?? WORDS.send);
  const bar = el('div.acts', {}, submit, part.cancel ? button(ctx, part.cancel) : null);
  const node = el(
    'form.box',
    { novalidate: true, 'aria-labelledby': `${prefix}-title`, 'data-form': part.id ?? '' },
    heading,
    part.text ? el('p.lead', {}, part.text) : null,
    el('div.fields', {}, ...fields.map((one) => one.box)),
    bar,
  );
  const finish = () => {
    for (const one of node.querySelectorAll('.lead,.fields')) one.remove();
    bar.replaceWith(el('p.done-mark', {}, icon('check'), WORDS.sent));
  };
  if (ctx.formDone?.(part.id)) finish();
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    oops(bar, null);
    let wrong = null;
    for (const one of fields) {
      one.tell(one.input.checkValidity() ? null : one.input.validationMessage);
      if (!one.input.checkValidity() && !wrong) wrong = one;
    }
    if (wrong) {
      wrong.input.focus();
      return;
    }
    const values = Object.fromEntries(fields.map((one) => [one.name, one.read()]));
    const done = await ctx.press(part.submit ?? {}, submit, values, bar, (name, text) => {
      const field = fields.find((one) => one.name === name);
      field?.tell(text);
      field?.input.focus();
      return Boolean(field);
    });
    if (done) {
      ctx.formSent?.(part.id);
      finish();
    }
  });
  return node;
}

function summary(ctx, part) {
  const line = (one) => {
    const amount = el('div.amount', {}, one.strike ? el('s', {}, one.strike === true ? one.amount : one.strike) : null, one.strike === true ? '' : one.amount ?? '');
    return el(
      'div.line',
      {},
      el('div', {}, one.label, one.detail ? el('small', {}, one.detail) : null),
      amount,
      one.button ? button(ctx, one.button) : null,
      one.buttons?.length ? buttons(ctx, one.buttons, 'div.acts.small') : null,
    );
  };
  const groups = (part.groups ?? []).map((group) =>
    el(
      'div.group',
      {},
      group.title ? el('h4', {}, group.title) : null,
      ...(group.lines ?? []).map(line),
      group.total ? el('div.sum', {}, el('span', {}, group.total.label), el('span.amount', {}, group.total.amount)) : null,
    ),
  );
  return el(
    'section.box',
    { 'aria-label': part.title ?? null },
    el('h3', {}, part.title ?? ''),
    ...groups,
    part.total ? el('div.sum.grand', {}, el('span', {}, part.total.label), el('span.amount', {}, part.total.amount)) : null,
    part.note ? el('p.fine', {}, ...inline(ctx, part.note)) : null,
    buttons(ctx, part.buttons),
  );
}

const REFERENCE = /\b[A-Z]{2,4}-[0-9A-Z]{5,8}\b/g;

/** Text in which a booking reference can be copied. */
function withReference(ctx, text) {
  const out = [];
  let at = 0;
  for (const match of String(text).matchAll(REFERENCE)) {
    out.push(...inline(ctx, text.slice(at, match.index)), reference(match[0]));
    at = match.index + match[0].length;
  }
  out.push(...inline(ctx, String(text).slice(at)));
  return out;
}

function reference(code) {
  const said = el('span.sr', { role: 'status' });
  const copy = el('button', { type: 'button', 'aria-label': WORDS.copy(code) }, icon('copy'));
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code);
      copy.replaceChildren(icon('check'));
      said.textContent = WORDS.copied;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(copy.previousSibling);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
    }
    setTimeout(() => {
      copy.replaceChildren(icon('copy'));
      said.textContent = '';
    }, 2000);
  });
  return el('span.ref', {}, el('span', {}, code), copy, said);
}

const SEALS = { ok: 'check', warn: 'clock', bad: 'alert', info: 'info' };

function status(ctx, part) {
  const tone = SEALS[part.tone] ? part.tone : 'info';
  const picture = part.picture ? el('img.top-pic', { src: safe(part.picture, ctx.base), alt: '', loading: 'lazy' }) : null;
  picture?.addEventListener('error', () => picture.remove());
  return el(
    `section.box.status.${tone}`,
    { 'aria-label': part.title ?? null },
    picture,
    picture ? null : el('span.seal', {}, icon(SEALS[tone])),
    el(
      'div',
      {},
      el('h3', {}, ...withReference(ctx, part.title ?? '')),
      part.text ? el('p.text', {}, ...withReference(ctx, part.text)) : null,
      part.lines?.length ? el('ul', {}, ...part.lines.map((one) => el('li', {}, ...withReference(ctx, one)))) : null,
      buttons(ctx, part.buttons),
    ),
  );
}

function size(bytes) {
  if (!Number.isFinite(bytes)) return '';
  return bytes < 1024 * 1024 ? `${Math.max(1, Math.round(bytes / 1024))} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function file(ctx, part) {
  const picture = String(part.media_type ?? '').startsWith('image/') || /\.(jpe?g|png|webp)$/i.test(part.name ?? '');
  const inside = [icon(picture ? 'picture' : 'file'), el('div', {}, el('b', {}, part.name ?? ''), el('span', {}, size(part.size)))];
  if (!ctx.fetchFile || !part.url) return el('div.file', {}, ...inside);
  const node = el('button.file', { type: 'button', 'aria-label': `${WORDS.download}: ${part.name}` }, ...inside);
  node.addEventListener('click', () => ctx.fetchFile(part, node));
  return node;
}

const PARTS = {
  text: (ctx, part) => el('div.bubble', { dir: 'auto' }, ...markdown(ctx, part.text ?? '')),
  cards,
  quick_replies: (ctx, part) =>
    part.items?.length
      ? el('div.chips', { role: 'group', 'aria-label': WORDS.choices }, ...part.items.map((one) => button(ctx, one)))
      : null,
  form,
  summary,
  status,
  file,
};

/** Draw one part; a kind this version does not know is shown as a harmless line. */
export function paint(ctx, part) {
  const draw = Object.hasOwn(PARTS, part?.type) ? PARTS[part.type] : null;
  if (draw) return draw(ctx, part);
  return el('div.bubble', {}, el('p', {}, part?.text ? String(part.text) : WORDS.unknown));
}

/* ── the line to the house: a session, the log, and who of the open tabs holds the stream ──────────────────── */

class Refused extends Error {
  constructor(status, error, retryAfter) {
    super(error?.message ?? WORDS.notSent);
    this.status = status;
    this.code = error?.code ?? '';
    this.field = error?.field ?? null;
    this.retryAfter = retryAfter;
  }
}

/** A conversation handed over from elsewhere, in the part of the address that no server sees: taken out at once. */
function handed() {
  const match = /^#continue=([\w-]{20,64})$/.exec(location.hash);
  if (!match) return '';
  history.replaceState(null, '', location.pathname + location.search);
  return match[1];
}

const WATCHDOG = 40_000; // pings come every 15 s
const PATIENT = 40; // tries, some two minutes

class Line {
  /** `hear(kind, value)`: event {id?, type, data}, online bool, reset, trouble Error, ready. */
  constructor(base, site, hear) {
    this.base = base;
    this.site = site;
    this.hear = hear;
    this.key = `traveloure:${new URL(base).origin}:${site}`;
    this.last = 0;
    this.loaded = false;
    this.early = [];
    this.closed = false;
    this.dead = null;
    this.abort = null;
    this.wakers = new Set();
    this.channel = null;
  }

  static stored(base, site) {
    return Boolean(kept.get(`traveloure:${new URL(base).origin}:${site}`)?.token);
  }

  async start() {
    try {
      this.channel = new BroadcastChannel(this.key);
      this.channel.onmessage = ({ data }) => this.#relayed(data);
    } catch {
      /* no relay: this tab streams for itself */
    }
    this.wake = () => this.wakers.forEach((go) => go());
    addEventListener('online', this.wake);
    document.addEventListener('visibilitychange', this.wake);
    await this.#patiently(() => this.#load());
    await this.#lead();
  }

  stop() {
    this.closed = true;
    this.abort?.abort();
    this.channel?.close();
    removeEventListener('online', this.wake);
    document.removeEventListener('visibilitychange', this.wake);
    this.wake?.();
  }

  /* session */

  async session() {
    const token = new URL(this.base).origin === location.origin ? handed() : '';
    const known = kept.get(this.key);
    if (!token && known?.token && known.token !== this.dead) return known;
    return this.#locked(`${this.key}:session`, async () => {
      const meanwhile = kept.get(this.key); // another tab may have been faster
      if (!token && meanwhile?.token && meanwhile.token !== this.dead) return meanwhile;
      const open = (more) =>
        fetch(`${this.base}/chat/v1/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ site: this.site, locale: navigator.language, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone, ...more }),
        });
      let answer = await open(token ? { token } : {});
      if (token && answer.status === 403) {
        if (meanwhile?.token) return meanwhile; // that link was used before: go on with what is here
        answer = await open({});
      }
      if (!answer.ok) throw await refusal(answer);
      const made = await answer.json();
      kept.set(this.key, made);
      return made;
    });
  }

  async #locked(name, work) {
    let lock;
    try {
      lock = navigator.locks.request(name, work);
    } catch {
      return work(); // locks are forbidden in frames without storage
    }
    return lock.catch((error) => {
      if (error?.name === 'SecurityError') return work();
      throw error;
    });
  }

  /** The house does not know our token: forget it and begin anew (or with the one another tab has got). */
  async #renew(token) {
    this.dead = token;
    if (kept.get(this.key)?.token === token) kept.drop(this.key);
    await this.session();
    this.#reset();
    this.channel?.postMessage({ kind: 'reset' });
  }

  #reset() {
    this.last = 0;
    this.hear('reset');
  }

  async #load() {
    let page;
    do {
      page = await (await this.ask(`/history?after=${this.last}`)).json();
      for (const { seq, type, data } of page) this.#take({ id: seq, type, data }, true);
    } while (page.length);
    this.loaded = true;
    for (const event of this.early.splice(0)) this.#take(event);
    this.hear('ready');
  }

  /* requests */

  async ask(path, options = {}, again = true) {
    const { token } = await this.session();
    const answer = await fetch(`${this.base}/chat/v1${path}`, {
      ...options,
      headers: { authorization: `Bearer ${token}`, ...(options.headers ?? {}) },
    });
    if (answer.status === 401 && again) {
      await this.#renew(token);
      return this.ask(path, options, false);
    }
    if (!answer.ok) throw await refusal(answer);
    if (path !== '/events') this.wakers.forEach((go) => go()); // the house is back: nobody needs to wait any longer
    return answer;
  }

  async post(path, body) {
    const answer = await this.ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) });
    return answer.status === 204 ? null : answer.json();
  }

  /* the stream */

  /** Tabs elect one of them: browsers allow six connections to a host, and the seventh tab would hang. */
  async #lead() {
    let leading;
    try {
      leading = navigator.locks.request(`${this.key}:stream`, () => {
        this.channel?.postMessage({ kind: 'leader', last: this.last });
        return this.#stream();
      });
    } catch {
      return this.#stream();
    }
    return leading.catch((error) => {
      if (error?.name === 'SecurityError') return this.#stream();
      throw error;
    });
  }

  #stream() {
    return this.#patiently(async (good) => {
      await this.#listen(good);
      throw new Error('the stream ended'); // always come back
    });
  }

  /** Do `work` until it succeeds or the line is closed, with longer and longer pauses. */
  async #patiently(work) {
    let tries = 0;
    while (!this.closed) {
      try {
        await work(() => {
          tries = 0;
        });
        return;
      } catch (error) {
        if (this.closed) return;
        const much = error instanceof Refused && error.status === 429;
        if (much) {
          tries = Math.max(tries, 4);
          this.hear('trouble', error);
        }
        this.#online(false);
        const most = much || tries > PATIENT ? 15_000 : 3_000; // back within moments after a restart, gentle in a long outage
        await this.#pause(Math.min(most, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
        tries += 1;
      }
    }
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.wakers.delete(go);
        resolve();
      };
      const timer = setTimeout(go, ms);
      this.wakers.add(go);
    });
  }

  async #listen(good) {
    this.abort = new AbortController();
    let timer = null;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.abort.abort(), WATCHDOG);
    };
    try {
      alive();
      const answer = await this.ask('/events', { headers: { 'last-event-id': String(this.last) }, signal: this.abort.signal, cache: 'no-store' });
      good();
      this.#online(true);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) this.#parse(block);
      }
    } finally {
      clearTimeout(timer);
      this.abort.abort();
    }
  }

  #parse(block) {
    const event = { type: 'message', data: '' };
    for (const line of block.split('\n')) {
      if (line.startsWith('id: ')) event.id = Number(line.slice(4));
      else if (line.startsWith('event: ')) event.type = line.slice(7);
      else if (line.startsWith('data: ')) event.data += line.slice(6);
    }
    if (!event.data || event.type === 'ready') return;
    event.data = JSON.parse(event.data);
    this.#take(event);
    this.channel?.postMessage({ kind: 'event', event });
  }

  #take(event, old = false) {
    if (event.id !== undefined) {
      if (event.id <= this.last) return; // holes are normal, repeats are not news
      this.last = event.id;
    }
    this.hear('event', event, old);
  }

  #online(on) {
    this.hear('online', on);
    this.channel?.postMessage({ kind: 'online', on });
  }

  #relayed(said) {
    if (said.kind === 'event') {
      if (this.loaded) this.#take(said.event);
      else this.early.push(said.event);
    } else if (said.kind === 'online') this.hear('online', said.on);
    else if (said.kind === 'leader' && this.loaded && said.last > this.last) this.#load().catch(() => {});
    else if (said.kind === 'reset') {
      this.#reset();
      this.#load().catch(() => {});
    }
  }
}

async function refusal(answer) {
  const body = await answer.json().catch(() => null);
  return new Refused(answer.status, body?.error, Number(answer.headers.get('retry-after')) || null);
}

/* ── the element ───────────────────────────────────────────────────────────────────────────────── */

const STICK = 120; // px from the bottom within which new lines are followed
const TYPING_LIFE = 8000;
const DRAFT_LIFE = 60_000;

export class TraveloureChat extends HTMLElement {
  #line = null;
  #settled = new Map(); // payment -> what to say in place of its link
  #rows = new Map(); // mid -> row
  #drafts = new Map(); // mid -> {text, row, timer}
  #outbox = [];
  #flushing = false;
  #unread = 0;
  #mode = 'bot';
  #expert = '';
  #started = false;
  #ui = {};
  #lastTyped = 0;
  #typingTimer = null;
  #restoring = false;
  #following = true;
  #moved = false;

  connectedCallback() {
    if (this.shadowRoot) return;
    this.base = (this.getAttribute('src') || HERE.origin).replace(/\/+$/, '');
    this.site = this.getAttribute('site') || '';
    this.#build();
    this.#outbox = tab.get(this.#outboxKey) ?? [];
    if (this.hasAttribute('embedded')) this.open();
    else if (Line.stored(this.base, this.site)) this.#start();
  }

  disconnectedCallback() {
    this.#line?.stop();
  }

  /* what a page may call */

  open() {
    this.toggle(true);
  }

  close() {
    this.toggle(false);
  }

  toggle(wanted = !this.isOpen) {
    if (this.hasAttribute('embedded')) wanted = true;
    const { panel, launcher } = this.#ui;
    const was = this.isOpen;
    panel.hidden = !wanted;
    this.toggleAttribute('open', wanted);
    launcher.setAttribute('aria-expanded', String(wanted));
    this.#launcherLook();
    if (wanted && !was) {
      this.#start();
      this.#countUnread(0);
      this.#toBottom(true);
      if (!this.hasAttribute('embedded')) (matchMedia('(pointer: coarse)').matches ? panel : this.#ui.text).focus();
    } else if (!wanted && was) launcher.focus();
    this.#dispatch('toggle', { open: wanted });
  }

  get isOpen() {
    return !this.#ui.panel.hidden;
  }

  /** Send a line as if the traveler had typed it. */
  send(text) {
    const said = String(text ?? '').trim();
    if (!said) return;
    this.open();
    const item = { id: uuid(), text: said };
    this.#outbox.push(item);
    this.#saveOutbox();
    this.#showPending(item);
    this.#toBottom(true);
    this.#flush();
  }

  /* building */

  #build() {
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [styles()];
    if (document.dir === 'rtl' || document.documentElement.dir === 'rtl') this.setAttribute('dir', 'rtl');
    const name = this.getAttribute('name') || 'Traveloure';
    const ui = this.#ui;
    ui.badge = el('span.badge-n', { hidden: true });
    ui.launcher = el('button.launcher', { type: 'button', 'aria-expanded': 'false', 'aria-haspopup': 'dialog', onclick: () => this.toggle() }, icon('chat'), ui.badge);
    ui.face = el('span.face.on', { 'aria-hidden': 'true' }, icon('compass'));
    ui.title = el('b', {}, name);
    ui.sub = el('span.sub-line', {}, WORDS.assistant);
    ui.ask = el('button.ask', { type: 'button', onclick: () => this.#askPerson() }, el('span', {}, WORDS.person));
    ui.onward = el('button.ask', { type: 'button', hidden: true, onclick: () => this.#goOn() });
    ui.banner = el('div.banner', { role: 'status', hidden: true });
    ui.log = el('div.log', { role: 'log', 'aria-live': 'polite', 'aria-label': WORDS.log, tabindex: 0 });
    ui.jump = el('button.jump', { type: 'button', hidden: true, onclick: () => this.#toBottom(true) }, icon('down'), WORDS.jump);
    ui.typing = el('div.typing', { hidden: true });
    ui.pick = el('input', { type: 'file', accept: 'image/jpeg,image/png,image/webp,application/pdf', hidden: true, 'aria-label': WORDS.attach, tabindex: -1 });
    ui.clip = el('button.round', { type: 'button', 'aria-label': WORDS.attach, title: WORDS.attach, onclick: () => ui.pick.click() }, icon('clip'));
    ui.text = el('textarea', { rows: 1, placeholder: WORDS.placeholder, 'aria-label': WORDS.placeholder, maxlength: 4000, enterkeyhint: 'send', dir: 'auto' });
    ui.go = el('button.go', { type: 'submit', 'aria-label': WORDS.send, disabled: true }, icon('send'));
    ui.foot = el('form.foot', { novalidate: true }, ui.clip, ui.pick, el('div.entry', {}, ui.text), ui.go);
    const shut = el('button.round', { type: 'button', 'aria-label': WORDS.close, onclick: () => this.close() }, icon('close'));
    ui.panel = el(
      'section.panel',
      { role: 'dialog', 'aria-label': `${name} chat`, tabindex: -1, hidden: true },
      el('h2.sr', {}, WORDS.log),
      el('div.top', {}, ui.face, el('div.who', {}, ui.title, el('div', {}, ui.sub, ui.ask, ui.onward)), this.hasAttribute('embedded') ? null : shut),
      ui.banner,
      el('div.wrap', {}, ui.log, ui.jump),
      ui.typing,
      ui.foot,
    );
    if (this.hasAttribute('embedded')) ui.panel.setAttribute('role', 'region');
    root.append(ui.launcher, ui.panel);
    this.#launcherLook();
    this.#wire();
  }

  #wire() {
    const ui = this.#ui;
    ui.foot.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    ui.text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        this.#submit();
      }
    });
    ui.text.addEventListener('input', () => {
      this.#grow();
      this.#tellTyping();
    });
    ui.pick.addEventListener('change', () => {
      const [chosen] = ui.pick.files;
      ui.pick.value = '';
      if (chosen) this.#upload(chosen);
    });
    ui.log.addEventListener(
      'scroll',
      () => {
        if (this.#near()) this.#following = true;
        else if (!this.#moved) this.#following = false; // the reader scrolled up
        this.#moved = false;
        this.#jumpLook();
      },
      { passive: true },
    );
    ui.panel.addEventListener('keydown', (event) => this.#keys(event));
    addEventListener('resize', () => this.#modal());
    visualViewport?.addEventListener('resize', () => {
      this.style.setProperty('--seen', `${visualViewport.height}px`);
      if (this.#near()) this.#toBottom(true);
    });
    this.#modal();
  }

  get #fullScreen() {
    return !this.hasAttribute('embedded') && matchMedia('(max-width: 520px)').matches;
  }

  #modal() {
    if (this.#fullScreen) this.#ui.panel.setAttribute('aria-modal', 'true');
    else this.#ui.panel.removeAttribute('aria-modal');
  }

  #keys(event) {
    if (event.key === 'Escape' && !this.hasAttribute('embedded')) {
      event.stopPropagation();
      this.close();
    } else if (event.key === 'Tab' && this.#fullScreen) {
      const reach = [...this.#ui.panel.querySelectorAll('button,a[href],input,select,textarea,[tabindex="0"]')].filter(
        (node) => !node.disabled && !node.hidden && node.tabIndex >= 0 && node.getClientRects().length,
      );
      const [first, final] = [reach[0], reach[reach.length - 1]];
      const active = this.shadowRoot.activeElement;
      if (event.shiftKey && (active === first || active === this.#ui.panel)) {
        event.preventDefault();
        final?.focus();
      } else if (!event.shiftKey && active === final) {
        event.preventDefault();
        first?.focus();
      }
    }
  }

  /* starting */

  #start() {
    if (this.#started) return;
    this.#started = true;
    this.#restoring = true;
    this.#ui.log.setAttribute('aria-busy', 'true');
    this.#ui.bones = el('div.bones', { role: 'img', 'aria-label': WORDS.loading }, el('i'), el('i'), el('i'));
    this.#ui.log.append(this.#ui.bones);
    this.#line = new Line(this.base, this.site, (kind, value, old) => this.#hear(kind, value, old));
    for (const item of this.#outbox) this.#showPending(item);
    this.#line.start();
  }

  #hear(kind, value, old) {
    if (kind === 'event') this.#event(value, old);
    else if (kind === 'online') this.#online(value);
    else if (kind === 'ready') this.#ready();
    else if (kind === 'reset') this.#clear();
    else if (kind === 'trouble') this.#banner(value.message, 'bad');
  }

  #ready() {
    const [to] = (kept.get(this.#line.key)?.onward ?? []).filter((one) => Object.hasOwn(WORDS.messengers, one));
    this.#ui.onward.hidden = !to;
    this.#ui.onward.dataset.to = to ?? '';
    this.#ui.onward.textContent = to ? WORDS.onward(WORDS.messengers[to]) : '';
    this.#restoring = false;
    this.#ui.bones?.remove();
    this.#ui.log.removeAttribute('aria-busy');
    this.#toBottom(true);
    this.#flush();
  }

  #clear() {
    for (const draft of this.#drafts.values()) clearTimeout(draft.timer);
    this.#drafts.clear();
    this.#rows.clear();
    this.#ui.log.replaceChildren();
    this.#settled.clear();
    this.#setMode({ mode: 'bot' });
    for (const item of this.#outbox) this.#showPending(item);
  }

  #online(on) {
    if (on) {
      this.#banner(null);
      this.#flush();
    } else this.#banner(WORDS.offline);
  }

  #banner(text, tone = '') {
    const { banner } = this.#ui;
    banner.hidden = !text;
    banner.className = `banner ${tone}`;
    banner.replaceChildren(...(text ? [icon('alert'), el('span', {}, text)] : []));
  }

  /* what comes in */

  #event({ id, type, data }, old) {
    if (type === 'message') this.#message(id, data, old);
    else if (type === 'state') this.#state(id, data, old);
    else if (type === 'delta') this.#delta(data);
    else if (type === 'typing') this.#typing(data.who, data.on);
    if (!old) this.#dispatch(type, { id, ...data });
  }

  #message(id, data, old) {
    const stick = this.#following;
    const mine = data.role === 'traveler';
    this.#dropDraft(data.mid);
    if (!mine) {
      this.#typing(null, false);
      for (const mid of [...this.#drafts.keys()]) this.#dropDraft(mid); // a turn that was cut off
    } else this.#outbox = this.#outbox.filter((item) => item.id !== data.mid);
    if (mine) this.#saveOutbox();
    const before = this.#rows.get(data.mid);
    const row = this.#row(data);
    row.dataset.seq = String(id);
    if (before?.dataset.seq) before.replaceWith(row);
    else {
      before?.remove();
      if (mine) this.#retireChoices();
      this.#place(row, data);
    }
    this.#rows.set(data.mid, row);
    if (!old && !mine && !this.isOpen && data.mid !== 'welcome') this.#countUnread(this.#unread + 1);
    if (!this.#restoring) this.#toBottom(stick || mine, mine ? null : row);
  }

  /** Before what is still on its way: lines of the log keep their order. */
  #place(row, data) {
    const { log } = this.#ui;
    const waiting = log.querySelector(':scope > .row:not([data-seq])');
    const previous = waiting ? waiting.previousElementSibling : log.lastElementChild;
    const nodes = [];
    const day = dayOf(data.at);
    if (day && day !== this.#lastDay(previous)) nodes.push(el('div.day', { 'data-day': day }, dayName(day)));
    const near = !nodes.length && previous?.matches?.('.row') && previous.dataset.by === row.dataset.by && !row.querySelector(':scope > .by');
    row.classList.toggle('near', Boolean(near));
    if (previous?.dataset?.by === row.dataset.by && !nodes.length) {
      row.querySelector(':scope > .by')?.remove();
      row.classList.add('near');
    }
    nodes.push(row);
    if (day) row.dataset.on = day;
    if (waiting) waiting.before(...nodes);
    else log.append(...nodes);
  }

  #lastDay(node) {
    for (let at = node; at; at = at.previousElementSibling) {
      if (at.dataset?.on) return at.dataset.on;
      if (at.dataset?.day) return at.dataset.day;
    }
    return null;
  }

  #row(data) {
    const role = ['traveler', 'bot', 'expert', 'provider', 'system'].includes(data.role) ? data.role : 'bot';
    const mine = role === 'traveler';
    const ctx = this.#context(data.mid);
    for (const part of data.parts ?? []) this.#settle(part);
    const parts = (data.parts ?? []).map((part) => paint(ctx, part)).filter(Boolean);
    const wide = parts.some((node) => node.matches('.rail,.box'));
    const row = el(
      `div.row.${mine ? 'mine' : role}${wide ? '.wide' : ''}`,
      { 'data-by': mine ? 'traveler' : `${role === 'system' ? 'bot' : role}:${data.name ?? ''}` },
      !mine && data.name ? el('span.by', {}, data.name) : null,
      mine ? el('span.sr', {}, `${WORDS.you}:`) : null,
      ...parts,
    );
    if (data.at && Number.isFinite(Date.parse(data.at))) {
      const at = new Date(data.at);
      row.append(el('time', { datetime: data.at, title: at.toLocaleString() }, at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })));
    }
    return row;
  }

  /** Suggested answers belong to the last question: once something was said, they go. */
  #retireChoices() {
    for (const chips of this.#ui.log.querySelectorAll('.chips')) chips.remove();
  }

  #state(id, data, old) {
    this.#setMode(data);
    if (data.mode !== 'bot') for (const mid of [...this.#drafts.keys()]) if (data.mode === 'human') this.#dropDraft(mid);
    if (data.text) {
      const stick = this.#following;
      const row = el('div.row', { 'data-seq': id, 'data-by': 'state' }, el('p.note', {}, data.text));
      this.#place(row, data);
      if (!old && !this.isOpen && data.mode === 'human') this.#countUnread(this.#unread + 1);
      if (!this.#restoring) this.#toBottom(stick);
    }
  }

  #setMode({ mode, expert }) {
    this.#mode = ['bot', 'queued', 'human'].includes(mode) ? mode : 'bot';
    this.#expert = expert || '';
    const ui = this.#ui;
    const human = this.#mode === 'human';
    ui.title.textContent = human && this.#expert ? this.#expert : this.getAttribute('name') || 'Traveloure';
    ui.sub.textContent = { bot: WORDS.assistant, queued: WORDS.waiting, human: WORDS.expert }[this.#mode];
    ui.face.replaceChildren(human && this.#expert ? initials(this.#expert) : icon(human ? 'person' : 'compass'));
    ui.ask.lastElementChild.textContent = { bot: WORDS.person, queued: WORDS.unwait, human: WORDS.back }[this.#mode];
    ui.ask.setAttribute('aria-label', ui.ask.lastElementChild.textContent);
    const hint = human && this.#expert ? WORDS.placeholderPerson(this.#expert.split(' ')[0]) : WORDS.placeholder;
    ui.text.placeholder = hint;
    ui.text.setAttribute('aria-label', hint);
  }

  #delta({ mid, offset, text }) {
    if (this.#rows.has(mid)) return; // the final message is there already
    let draft = this.#drafts.get(mid);
    if (!draft) {
      if (offset > 0) return;
      draft = { text: '', row: el('div.row.bot.draft', { 'aria-busy': 'true', 'data-by': 'bot:' }), frame: 0 };
      this.#drafts.set(mid, draft);
      this.#typing(null, false);
      this.#ui.log.append(draft.row);
    }
    if (offset > length(draft.text)) return;
    draft.text = cut(draft.text, offset) + text;
    clearTimeout(draft.timer);
    draft.timer = setTimeout(() => this.#dropDraft(mid), DRAFT_LIFE);
    draft.frame ||= requestAnimationFrame(() => {
      draft.frame = 0;
      const stick = this.#following;
      draft.row.replaceChildren(paint({ ...this.#context(mid), draft: true }, { type: 'text', text: draft.text }));
      this.#toBottom(stick, draft.row);
    });
  }

  #dropDraft(mid) {
    const draft = this.#drafts.get(mid);
    if (!draft) return;
    clearTimeout(draft.timer);
    cancelAnimationFrame(draft.frame);
    draft.row.remove();
    this.#drafts.delete(mid);
  }

  #typing(who, on) {
    const { typing } = this.#ui;
    clearTimeout(this.#typingTimer);
    if (!on || this.#drafts.size) {
      typing.hidden = true;
      typing.replaceChildren();
      return;
    }
    const name = !who || who === 'bot' ? 'The assistant' : who;
    const stick = this.#following && this.#near();
    typing.replaceChildren(el('span.dots', { 'aria-hidden': 'true' }, el('i'), el('i'), el('i')), el('span', {}, WORDS.typing(name)));
    typing.hidden = false;
    this.#toBottom(stick);
    this.#typingTimer = setTimeout(() => this.#typing(null, false), TYPING_LIFE);
  }

  /* what goes out */

  get #outboxKey() {
    return `traveloure:outbox:${this.base}:${this.site}`;
  }

  #saveOutbox() {
    if (this.#outbox.length) tab.set(this.#outboxKey, this.#outbox);
    else tab.drop(this.#outboxKey);
  }

  #submit() {
    const { text } = this.#ui;
    const said = text.value.trim();
    if (!said) return;
    text.value = '';
    this.#grow();
    this.send(said);
    text.focus();
  }

  #showPending(item) {
    if (this.#rows.get(item.id)?.dataset.seq) return;
    this.#retireChoices();
    const row = this.#row({ mid: item.id, role: 'traveler', parts: [{ type: 'text', text: item.text }] });
    this.#rows.get(item.id)?.remove();
    this.#rows.set(item.id, row);
    this.#ui.log.append(row);
  }

  #fate(id, text, { bad = false, actions = [] } = {}) {
    const row = this.#rows.get(id);
    if (!row || row.dataset.seq) return;
    row.querySelector(':scope > .fate')?.remove();
    if (!text) return;
    const buttons = actions.map(([label, act]) => el('button', { type: 'button', onclick: act }, label));
    row.append(el(`div.fate${bad ? '.bad' : ''}`, { role: bad ? 'alert' : null }, el('span', {}, text), ...buttons));
    this.#toBottom(true);
  }

  async #flush() {
    if (this.#flushing || !this.#line) return;
    this.#flushing = true;
    try {
      while (this.#outbox.length) {
        const item = this.#outbox[0];
        try {
          await this.#line.post('/messages', item);
          this.#outbox = this.#outbox.filter((one) => one.id !== item.id);
          this.#saveOutbox();
          this.#fate(item.id, null);
          if (this.#mode !== 'human' && !this.#drafts.size) this.#typing('bot', true);
        } catch (error) {
          if (!(error instanceof Refused) || error.status >= 500) {
            for (const one of this.#outbox) this.#fate(one.id, WORDS.unsent);
            setTimeout(() => this.#flush(), 4000);
            return;
          }
          if (error.status === 429) {
            for (let left = error.retryAfter ?? 5; left > 0; left -= 1) {
              this.#fate(item.id, WORDS.later(left));
              await new Promise((resolve) => setTimeout(resolve, 1000));
            }
            continue;
          }
          this.#outbox = this.#outbox.filter((one) => one.id !== item.id);
          this.#saveOutbox();
          this.#refuse(item, error.message);
        }
      }
    } finally {
      this.#flushing = false;
    }
  }

  #refuse(item, message) {
    const gone = () => {
      this.#rows.get(item.id)?.remove();
      this.#rows.delete(item.id);
    };
    const edit = () => {
      gone();
      this.#ui.text.value = item.text;
      this.#grow();
      this.#ui.text.focus();
    };
    this.#fate(item.id, message, { bad: true, actions: [[WORDS.edit, edit], [WORDS.remove, gone]] });
  }

  /** The hands of the parts of one message. */
  /** A payment that was made or is over leaves no live link behind, above or still to come. */
  #settle(part) {
    if (!part?.settles) return;
    const how = part.tone === 'ok' ? WORDS.paid : WORDS.payClosed;
    this.#settled.set(part.settles, how);
    for (const link of this.#ui.log.querySelectorAll('a[data-pays]')) if (link.dataset.pays === part.settles) link.replaceWith(payOver(how));
  }

  #context(mid) {
    const doneKey = `${this.#line?.key ?? ''}:forms`;
    return {
      base: this.base,
      settled: this.#settled,
      press: (spec, node, fields, place, onField) => this.#press(spec, node, fields, place, onField),
      fetchFile: (part, node) => this.#fetchFile(part, node),
      formDone: (id) => (kept.get(doneKey) ?? []).includes(`${mid}/${id}`),
      formSent: (id) => kept.set(doneKey, [...(kept.get(doneKey) ?? []).slice(-60), `${mid}/${id}`]),
    };
  }

  /** Press a button. The same press keeps its id until it went through, so trying again cannot do it twice. */
  async #press(spec, node, fields, place = null, onField = null) {
    const bar = place ?? node.closest('.acts,.chips,.line') ?? node.parentElement;
    if (!spec.action) {
      this.send(spec.say ?? spec.label);
      return true;
    }
    if (node.getAttribute('aria-busy') === 'true') return false;
    oops(bar, null);
    node.pressId ??= uuid();
    node.setAttribute('aria-busy', 'true');
    try {
      await this.#line.post('/messages', { id: node.pressId, action: spec.action, ...(fields ? { fields } : {}) });
      delete node.pressId;
      if (node.closest('.chips')) node.closest('.chips').remove();
      this.#toBottom(true);
      return true;
    } catch (error) {
      const known = error instanceof Refused && error.status < 500;
      if (known) delete node.pressId;
      const text = error instanceof Refused ? error.message : WORDS.notSent;
      if (!(known && error.field && onField?.(error.field, text))) oops(bar, text);
      return false;
    } finally {
      node.removeAttribute('aria-busy');
    }
  }

  async #askPerson() {
    const { ask } = this.#ui;
    ask.disabled = true;
    try {
      await this.#line.post('/person', { want: this.#mode === 'bot' });
      this.#banner(null);
    } catch (error) {
      this.#banner(error instanceof Refused ? error.message : WORDS.notSent, 'bad');
    } finally {
      ask.disabled = false;
    }
  }

  /** The same conversation in a messenger: the link works once, so it is made when it is asked for. */
  async #goOn() {
    const { onward } = this.#ui;
    const { to } = onward.dataset;
    onward.disabled = true;
    try {
      const { url } = await this.#line.post('/link', { channel: to });
      const link = el('a.ask', { href: safe(url, location.href), target: '_blank', rel: 'noopener noreferrer' }, WORDS.onwardLink(WORDS.messengers[to]), el('span.sr', {}, ` ${WORDS.newTab}`));
      link.addEventListener('click', () => link.replaceWith(onward), { once: true });
      onward.replaceWith(link);
      link.focus();
    } catch (error) {
      this.#banner(error instanceof Refused ? error.message : WORDS.notSent, 'bad');
    } finally {
      onward.disabled = false;
    }
  }

  async #upload(chosen, id = uuid()) {
    const show = (part) => {
      this.#rows.get(id)?.remove();
      const row = this.#row({ mid: id, role: 'traveler', parts: [part] });
      this.#rows.set(id, row);
      this.#ui.log.append(row);
    };
    show({ type: 'file', name: chosen.name, size: chosen.size });
    if (chosen.size > 5 * 1024 * 1024) {
      this.#fate(id, WORDS.tooBig, { bad: true, actions: [[WORDS.remove, () => this.#rows.get(id)?.remove()]] });
      return;
    }
    this.#fate(id, WORDS.sending);
    const body = new FormData();
    body.append('id', id);
    body.append('file', chosen);
    try {
      await this.#line.ask('/uploads', { method: 'POST', body });
      this.#fate(id, null);
    } catch (error) {
      const actions = [[WORDS.remove, () => this.#rows.get(id)?.remove()]];
      if (!(error instanceof Refused) || error.status === 429 || error.status >= 500) actions.unshift([WORDS.retry, () => this.#upload(chosen, id)]);
      this.#fate(id, error instanceof Refused ? error.message : WORDS.notSent, { bad: true, actions });
    }
  }

  async #fetchFile(part, node) {
    node.setAttribute('aria-busy', 'true');
    try {
      const url = new URL(part.url, this.base);
      const inside = url.origin === new URL(this.base).origin && url.pathname.startsWith('/chat/v1');
      if (!inside) {
        window.open(safe(part.url, this.base), '_blank', 'noopener');
        return;
      }
      const blob = await (await this.#line.ask(url.pathname.replace(/^\/chat\/v1/, ''))).blob();
      const link = el('a', { href: URL.createObjectURL(blob), download: part.name ?? 'file' });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      oops(node.parentElement, error instanceof Refused ? error.message : WORDS.notSent);
    } finally {
      node.removeAttribute('aria-busy');
    }
  }

  #tellTyping() {
    if (!this.#ui.text.value || Date.now() - this.#lastTyped < 3000 || !this.#line || this.#mode === 'bot') return;
    this.#lastTyped = Date.now();
    this.#line.post('/typing').catch(() => {});
  }

  /* looks */

  #grow() {
    const { text, go } = this.#ui;
    go.disabled = !text.value.trim();
    text.style.height = '42px';
    text.style.height = `${Math.min(132, text.scrollHeight)}px`;
  }

  #near() {
    const { log } = this.#ui;
    return log.scrollHeight - log.scrollTop - log.clientHeight < STICK;
  }

  /** Show what is new; where it is taller than the log, from its beginning (and the question it answers). */
  #toBottom(wanted, row = null) {
    const { log } = this.#ui;
    if (wanted) {
      const question = row?.previousElementSibling?.matches('.mine') ? row.previousElementSibling : row;
      const from = question ? question.offsetTop - log.offsetTop - 12 : Infinity;
      const to = Math.min(log.scrollHeight - log.clientHeight, from);
      if (Math.abs(to - log.scrollTop) > 1) {
        this.#moved = true;
        log.scrollTop = to;
      }
      this.#following = true;
    }
    this.#jumpLook();
  }

  #jumpLook() {
    this.#ui.jump.hidden = this.#near();
  }

  #countUnread(n) {
    this.#unread = n;
    this.#ui.badge.hidden = n === 0;
    this.#ui.badge.textContent = n > 9 ? '9+' : String(n);
    this.#launcherLook();
  }

  #launcherLook() {
    const { launcher, badge } = this.#ui;
    const isOpen = this.isOpen;
    launcher.replaceChildren(icon(isOpen ? 'close' : 'chat'), badge);
    launcher.setAttribute('aria-label', isOpen ? WORDS.close : this.#unread ? `${WORDS.open}, ${WORDS.unread(this.#unread)}` : WORDS.open);
  }

  #dispatch(kind, detail) {
    this.dispatchEvent(new CustomEvent(`traveloure:${kind}`, { bubbles: true, composed: true, detail }));
  }
}

function initials(name) {
  return name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => Array.from(word)[0] ?? '')
    .join('')
    .toUpperCase();
}

function dayOf(at) {
  const when = at ? new Date(at) : null;
  if (!when || Number.isNaN(when.getTime())) return null;
  return `${when.getFullYear()}-${String(when.getMonth() + 1).padStart(2, '0')}-${String(when.getDate()).padStart(2, '0')}`;
}

function dayName(day) {
  const now = new Date();
  if (day === dayOf(now)) return WORDS.today;
  if (day === dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1))) return WORDS.yesterday;
  const when = new Date(`${day}T12:00:00`);
  return when.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long', ...(when.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' }) });
}

/* ── mounting ──────────────────────────────────────────────────────────────────────────────────── */

if (!customElements.get('traveloure-chat')) customElements.define('traveloure-chat', TraveloureChat);

const tag = [...document.querySelectorAll('script[data-site]')].find((one) => one.src === HERE.href);
if (tag && !document.querySelector('traveloure-chat')) {
  const chat = document.createElement('traveloure-chat');
  chat.setAttribute('site', tag.dataset.site);
  if (tag.dataset.theme) chat.setAttribute('theme', tag.dataset.theme);
  if (tag.dataset.name) chat.setAttribute('name', tag.dataset.name);
  document.body.append(chat);
}
