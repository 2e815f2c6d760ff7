// One session: how its connections stand, how to connect a client, its tools to try, and changes to it.

import { ago, copyButton, el, fill, loading, outside, say, title, trouble } from './dom.js';
import { ask } from './api.js';
import { keepFresh } from './polling.js';
import { standing } from './words.js';
import { change } from './change.js';
import { connect } from './connect.js';
import { live } from './live.js';
import { tryOut } from './try.js';

/** As long as a browser can wait. */
const NEVER_MS = 2 ** 30;

const PARTS = [
  ['', 'Servers', servers],
  ['connect', 'Connect', connect],
  ['try', 'Try it', tryOut],
  ['live', 'Live', live],
  ['change', 'Change', change],
];

/** Shows the view. `parts` are the session's id and which part of it is shown. */
export function session(root, signal, [id, part = '']) {
  const body = el('div', {}, loading('Looking at the session…'));
  root.append(title('Session'), body);
  const [, , show] = PARTS.find(([name]) => name === part) ?? PARTS[0];
  const shown = { id, current: null, listeners: new Set() };
  let providers = [];
  let begun = false;
  let isOver = false;
  const again = keepFresh(async () => {
    if (isOver) return NEVER_MS;
    try {
      if (!begun) ({ providers } = await ask('GET', '/providers', { signal }));
      const current = await ask('GET', `/session/${encodeURIComponent(id)}`, { signal });
      shown.current = current;
      if (!begun) {
        begun = true;
        head(root, body, current, part);
        const within = el('section', { class: 'part', 'aria-label': PARTS.find(([name]) => name === part)?.[1] ?? 'Servers' });
        body.append(within);
        show(within, signal, { id, session: current, providers, shown, again: () => again() });
      }
      name(root, current);
      for (const listener of shown.listeners) listener(current);
      return current.servers.some((server) => server.state === 'connecting') ? 1000 : 5000;
    } catch (error) {
      if (signal.aborted || error.status === 401) throw error;
      if (error.status === 404) {
        isOver = true;
        gone(root);
        return NEVER_MS;
      }
      if (!begun) fill(body, trouble(error, () => again()));
      throw error;
    }
  }, signal);
}

/** Somebody deleted it, here or elsewhere, or it expired: nothing more is asked. */
function gone(root) {
  document.title = 'Session gone · Multi-MCP Gateway';
  fill(root,
    el('div', { class: 'title' }, el('h1', { tabIndex: -1 }, 'This session is gone')),
    el('p', { class: 'lead' }, 'It was deleted, perhaps in another window, or it expired, or it belongs to somebody else.'),
    el('p', {}, el('a', { class: 'button', href: '#/sessions' }, 'See your sessions'), ' ',
      el('a', { class: 'button primary', href: '#/' }, 'Build a new one')));
  root.querySelector('h1').focus();
}

function name(root, current) {
  const words = current.name ?? `Session ${current.session_id.slice(0, 8)}`;
  const heading = root.querySelector('h1');
  if (heading.textContent === words) return;
  heading.textContent = words;
  document.title = `${words} · Multi-MCP Gateway`;
}

function head(root, body, current, part) {
  const address = new URL(current.mcp_endpoint, location.href).href;
  const base = `#/session/${current.session_id}`;
  const tab = ([name, words]) =>
    el('a', { href: name ? `${base}/${name}` : base, 'aria-current': name === part ? 'page' : undefined }, words);
  fill(body,
    el('p', { class: 'facts' },
      current.owner && el('span', { class: 'tag' }, current.owner),
      `Made ${ago(current.created)}.`),
    el('div', { class: 'address' }, el('code', {}, address), copyButton(address, 'Copy the address')),
    el('nav', { class: 'tabs', 'aria-label': 'Parts of the session' }, PARTS.map(tab)));
}

function servers(root, signal, { session: first, providers, shown, again }) {
  const lines = new Map();
  const list = el('ul', { class: 'cards' });
  const update = (current) => {
    for (const server of current.servers) {
      if (!lines.has(server.name)) {
        lines.set(server.name, new Line(server.name, providers.find((it) => it.name === server.name), current.session_id));
      }
      lines.get(server.name).update(server);
    }
    for (const [name, line] of lines) {
      if (!current.servers.some((server) => server.name === name)) {
        line.element.remove();
        lines.delete(name);
      }
    }
    const order = current.servers.map((server) => lines.get(server.name).element);
    if (order.some((element, place) => list.children[place] !== element)) list.append(...order);
    const count = current.mcp_sessions;
    fill(clients, count === 0 ? 'No client is connected just now.' : `${count} client${count > 1 ? 's are' : ' is'} connected just now.`);
  };
  const clients = el('p', { class: 'hint' });
  shown.listeners.add(update);
  update(first);
  fill(root, list, clients, deletion(first, again));
}

class Line {
  constructor(name, provider, id) {
    this.provider = provider;
    this.id = id;
    this.state = el('span', { class: 'card-state' });
    this.about = el('p', { class: 'server-about' });
    this.why = el('p', { class: 'server-why' });
    this.actions = el('p', { class: 'actions' });
    this.element = el(
      'li', { class: 'card server', 'data-server': name },
      el('div', { class: 'server-head' }, el('h2', {}, name), this.state),
      this.about, this.why, this.actions);
  }

  update(server) {
    const said = standing(server, this.provider);
    const state = JSON.stringify(said);
    if (state === this.shown) return;
    // The wait alone goes on all the time; only the sentence with it changes.
    const same = this.kind === said.kind + said.word;
    this.shown = state;
    this.kind = said.kind + said.word;
    fill(this.about, said.about);
    // What to do about it stands above already, in the page's own words.
    fill(this.why, said.why && ['What happened: ', el('span', { class: 'why' }, said.why.split('; ')[0]), '.']);
    if (same) return;
    fill(this.state, el('span', { class: `state ${said.kind}` }, said.word));
    fill(this.actions,
      said.credential && el('a', { class: 'button primary', href: `#/session/${this.id}/change` }, said.button),
      said.obtain && outside(said.obtain, 'Where to get one'));
  }
}

function deletion(session, again) {
  const dialog = el('dialog', { 'aria-labelledby': 'delete-title' });
  const open = el('button', { type: 'button', class: 'danger', onclick: () => dialog.showModal() }, 'Delete session');
  const told = el('div', {});
  const confirm = el('button', { type: 'button', class: 'danger filled' }, 'Delete it');
  confirm.addEventListener('click', async () => {
    confirm.disabled = true;
    try {
      await ask('DELETE', `/session/${session.session_id}`);
      say('Session deleted.');
    } catch (error) {
      // Somebody else was faster: what was wanted is so.
      if (error.status !== 404) {
        confirm.disabled = false;
        fill(told, trouble(error));
        return;
      }
      say('Somebody had deleted it already.');
    }
    dialog.close();
    location.hash = '#/sessions';
  });
  fill(dialog,
    el('h2', { id: 'delete-title' }, `Delete ${session.name ?? 'this session'}?`),
    el('p', {}, 'Clients that use its address lose their tools at once, and its credentials are wiped. This cannot be undone.'),
    told,
    el('div', { class: 'actions' }, confirm,
      el('button', { type: 'button', onclick: () => dialog.close() }, 'Keep it')));
  return el('div', { class: 'ending' }, open, dialog);
}
