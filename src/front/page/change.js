// Changes a session: its name, its servers, their credentials, its options. Only what somebody touched is sent.

import { ask } from './api.js';
import { el, fill, say, trouble } from './dom.js';
import { Choice } from './providers.js';
import { field } from './field.js';
import { Options } from './options.js';

const KEPT = 'Leave it empty to keep what the session has.';

/** Shows the part. */
export function change(root, signal, { id, session, providers, shown }) {
  const names = session.servers.map((server) => server.name);
  // A server that the registry no longer has can only be taken out.
  const lost = names.filter((name) => !providers.some((provider) => provider.name === name));
  const hints = Object.fromEntries(names.map((name) => [name, KEPT]));
  const known = names.filter((name) => !lost.includes(name));
  const options = new Options(session);
  const choice = new Choice(providers, known, { hints, onchange: (chosen) => options.show(chosen) });
  options.show(known);
  const name = field('name', 'Name', el('input', { maxLength: 100, autocomplete: 'off', value: session.name ?? '' }),
    'For you to tell it from others. Empty for none.');
  const told = el('div', {});
  const button = el('button', { type: 'submit', class: 'primary' }, 'Save changes');
  const elsewhere = el('div', {});
  let base = session;

  const save = async (event) => {
    event.preventDefault();
    fill(told);
    name.refuse(null);
    options.clear();
    const body = { ...difference(base, choice, name.input.value.trim()), ...options.changes };
    if (Object.keys(body).length === 0) {
      say('Nothing was changed.');
      return;
    }
    button.disabled = true;
    try {
      base = await ask('PATCH', `/session/${id}`, { body });
      say('Saved. Clients have been told.');
      location.hash = `#/session/${id}`;
    } catch (error) {
      if (choice.refuse(error.field, error.message) || options.refuse(error.field, error.message)) return;
      if (error.field === 'name') name.refuse(error.message);
      else fill(told, trouble(error));
    } finally {
      button.disabled = false;
    }
  };

  // Another window, or another program, may change it meanwhile: what is written here then no longer fits.
  shown.listeners.add((current) => {
    if (choices(current) === choices(base)) return;
    fill(elsewhere, el('div', { class: 'notice', role: 'status' },
      el('strong', {}, 'Somebody else changed this session just now.'),
      el('p', {}, `It has ${chosen(current).replaceAll(',', ', ')} now. Saving here puts your choice in its place.`),
      el('button', { type: 'button', onclick: () => change(root, signal, { id, session: shown.current, providers, shown }) },
        'Start from how it is now')));
  });

  fill(root, el('form', { class: 'stack', noValidate: true, onsubmit: save },
    elsewhere,
    lost.length > 0 && el('p', { class: 'notice' }, `Not offered any more, and taken out when you change the servers: ${lost.join(', ')}.`),
    el('div', { class: 'card' }, name.element),
    el('fieldset', { class: 'plain' }, el('legend', {}, 'Servers and credentials'), choice.element),
    el('div', { class: 'card' }, options.element),
    told,
    el('div', { class: 'actions sticky' }, button, el('a', { class: 'button', href: `#/session/${id}` }, 'Leave it as it is'))));
}

const choices = (session) => JSON.stringify([chosen(session), session.name, session.naming, session.tools, session.idle_expiry]);

const chosen = (session) => session.servers.map((server) => server.name).join(',');

function difference(session, choice, name) {
  const body = {};
  if (choice.servers.join(',') !== chosen(session)) body.servers = choice.servers;
  if (Object.keys(choice.credentials).length > 0) body.credentials = choice.credentials;
  if (name !== (session.name ?? '')) body.name = name || null;
  return body;
}
