// Which view is shown: what stands behind the # says it. Each view ends when another one is shown.

import { ask, key, useKey } from './api.js';
import { el, fill, say } from './dom.js';
import { signIn } from './signin.js';
import { build } from './build.js';
import { sessionList } from './sessions.js';
import { session } from './session.js';

const view = document.getElementById('view');
const mistake = document.getElementById('mistake');
const signOut = document.getElementById('sign-out');
let showing = new AbortController();
let asking = false;

function route() {
  const parts = location.hash.replace(/^#\/?/, '').split('/').map(decoded);
  if (parts[0] === 'sessions') return { place: 'sessions', show: sessionList, parts };
  if (parts[0] === 'session' && parts[1]) return { place: 'sessions', show: session, parts: parts.slice(1) };
  return { place: 'build', show: build, parts };
}

/** A part of an address that somebody may have cut anywhere. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function show({ isFirst } = {}) {
  showing.abort();
  showing = new AbortController();
  asking = false;
  const { place, show, parts } = route();
  for (const link of document.querySelectorAll('[data-place]')) {
    if (link.dataset.place === place) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  signOut.hidden = !key();
  const root = el('div', { class: `view view-${place}` });
  fill(view, root);
  scrollTo(0, 0);
  show(root, showing.signal, parts);
  // So that whoever does not look is told where they are. A page just loaded begins at its beginning.
  if (!isFirst) root.querySelector('h1')?.focus({ preventScroll: true });
}

/** What the page does wrong is said where it can be seen; browsers write it into their console, too. */
function confess(error) {
  if (error?.name === 'AbortError') return;
  fill(mistake, el('div', { class: 'notice bad' },
    el('strong', {}, 'This page made a mistake.'),
    el('p', {}, `${error?.message ?? error}. What it shows may be old; the gateway itself goes on.`),
    el('button', { type: 'button', onclick: () => location.reload() }, 'Load the page again')));
}

addEventListener('error', (event) => confess(event.error ?? event.message));
addEventListener('unhandledrejection', (event) => confess(event.reason));

addEventListener('hashchange', () => {
  // The skip link leads into the view, not to another one.
  if (location.hash === '#view') {
    history.replaceState(null, '', route.last ?? '#/');
    view.focus();
    return;
  }
  route.last = location.hash;
  show();
});

addEventListener('gateway-unknown-caller', (event) => {
  if (asking) return;
  asking = true;
  showing.abort();
  signOut.hidden = true;
  fill(view, signIn(event.detail, async (shown) => {
    useKey(shown);
    try {
      await ask('GET', '/sessions?limit=1');
    } catch (error) {
      useKey(null);
      throw error;
    }
    say('Signed in.');
    show();
  }));
  view.querySelector('input')?.focus();
});

signOut.addEventListener('click', () => {
  useKey(null);
  say('Signed out.');
  show();
});

route.last = location.hash || '#/';
show({ isFirst: true });
