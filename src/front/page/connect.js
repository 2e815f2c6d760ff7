// The entry to paste into a client. The gateway writes the entries; here they are shown.

import { ask, key } from './api.js';
import { copyButton, el, fill, loading, newId, trouble } from './dom.js';

/** Shows the part. */
export async function connect(root, signal, { id }) {
  fill(root, loading('Writing the entries…'));
  try {
    const { clients } = await ask('GET', `/session/${id}/clients`, { signal });
    draw(root, clients);
  } catch (error) {
    if (!signal.aborted) fill(root, trouble(error, () => connect(root, signal, { id })));
  }
}

function draw(root, clients) {
  const panel = el('div', { class: 'card entry', id: newId('entry'), role: 'tabpanel', tabIndex: 0 });
  const tabs = clients.map((client) =>
    el('button', { type: 'button', role: 'tab', id: newId('client'), 'aria-controls': panel.id, 'data-client': client.id }, client.title));
  const pick = (place, focuses) => {
    tabs.forEach((tab, index) => {
      tab.setAttribute('aria-selected', String(index === place));
      tab.tabIndex = index === place ? 0 : -1;
    });
    panel.setAttribute('aria-labelledby', tabs[place].id);
    fill(panel, entry(clients[place]));
    if (focuses) tabs[place].focus();
    try {
      localStorage.setItem('client', clients[place].id);
    } catch {
      // It is picked again next time.
    }
  };
  const list = el('div', { role: 'tablist', class: 'picks', 'aria-label': 'Your client' }, tabs);
  list.addEventListener('click', (event) => {
    const place = tabs.indexOf(event.target.closest('[role=tab]'));
    if (place >= 0) pick(place, false);
  });
  list.addEventListener('keydown', (event) => {
    const now = tabs.indexOf(document.activeElement);
    const [on, back] = [now + 1, now - 1];
    const move = { ArrowRight: on, ArrowDown: on, ArrowLeft: back, ArrowUp: back, Home: 0, End: tabs.length - 1 }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    pick((move + tabs.length) % tabs.length, true);
  });
  fill(root, el('p', { class: 'part-lead' }, 'Pick your client, copy its entry, and paste it where it says.'), list, panel);
  const last = clients.findIndex((client) => client.id === kept());
  pick(Math.max(0, last), false);
}

function kept() {
  try {
    return localStorage.getItem('client');
  } catch {
    return null;
  }
}

function entry(client) {
  const steps = (client.steps ?? []).map((step) => el('li', {}, step));
  return [
    el('h2', {}, client.title),
    client.where && el('ul', { class: 'where' }, client.where.split('; ').map((place) => el('li', {}, place))),
    client.install_link && el('p', {}, el('a', { class: 'button primary', href: client.install_link }, `Install in ${client.title}`)),
    el('div', { class: 'code' }, el('pre', { tabIndex: 0 }, el('code', {}, client.entry)),
      copyButton(client.entry, `Copy the entry for ${client.title}`)),
    steps.length > 0 && el('ol', { class: 'steps' }, steps),
    key() && el('p', { class: 'hint' }, 'Your key is not in the entry: set it as the environment variable that stands there.'),
  ];
}
