// The list of sessions: one's own, or everybody's for an operator.

import { ago, el, fill, loading, title, trouble } from './dom.js';
import { sessions } from './api.js';
import { keepFresh } from './polling.js';

/** Shows the view. */
export function sessionList(root, signal) {
  const body = el('div', {}, loading('Asking for the sessions…'));
  root.append(title('Sessions', el('a', { class: 'button', href: '#/' }, 'Build a session')), body);
  let shown;
  const again = keepFresh(async () => {
    try {
      const found = await sessions(signal);
      const state = JSON.stringify(found);
      // The same again: whoever is on a link stays there.
      if (state !== shown) draw(body, found);
      shown = state;
    } catch (error) {
      if (error.name !== 'AbortError' && error.status !== 401) {
        shown = undefined;
        fill(body, trouble(error, () => again()));
      }
      throw error;
    }
    return 10000;
  }, signal);
}

function draw(body, { sessions: found, more }) {
  if (found.length === 0) {
    fill(body, el('div', { class: 'empty card' },
      el('p', {}, 'There is no session yet.'),
      el('p', {}, el('a', { class: 'button primary', href: '#/' }, 'Build your first session'))));
    return;
  }
  const newest = [...found].sort((one, other) => Date.parse(other.last_used) - Date.parse(one.last_used));
  const focused = document.activeElement?.closest('[data-session]')?.dataset.session;
  fill(body,
    el('ul', { class: 'cards' }, newest.map(line)),
    more && el('p', { class: 'hint' }, 'There are more than these; the API lists them all.'));
  if (focused) body.querySelector(`[data-session="${CSS.escape(focused)}"] a`)?.focus();
}

function line(session) {
  const id = session.session_id;
  return el(
    'li', { class: 'card session-line', 'data-session': id },
    el('div', { class: 'session-words' },
      el('a', { class: 'session-name', href: `#/session/${id}` }, session.name ?? `Session ${id.slice(0, 8)}`),
      el('p', { class: 'session-about' },
        session.owner && el('span', { class: 'tag' }, session.owner),
        `Used ${ago(session.last_used)}, made ${ago(session.created)}`)),
    el('ul', { class: 'tags', 'aria-label': 'Servers' }, session.servers.map((server) => el('li', { class: 'tag' }, server))),
  );
}
