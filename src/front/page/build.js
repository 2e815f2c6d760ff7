// Builds a session: choose servers, fill in their credentials, create.

import { ask } from './api.js';
import { el, fill, loading, newId, say, title, trouble } from './dom.js';
import { keepFresh } from './polling.js';
import { Choice } from './providers.js';

/** How long to wait before asking again whether a provider answers that is just looked at. */
const LOOKED_AT_MS = 700;

const NAMINGS = [
  ['auto', 'Let the gateway decide (server.tool, or server__tool for clients that refuse dots)'],
  ['dot', 'server.tool'],
  ['underscores', 'server__tool'],
  ['none', 'The tools’ own names (for a session of one server)'],
];

/** Shows the view. */
export function build(root, signal) {
  const body = el('div', {}, loading('Asking which servers there are…'));
  root.append(
    title('Build a session'),
    el('p', { class: 'lead' },
      'Pick the MCP servers you want and give the keys they ask for. You get one address that any MCP client can use.'),
    body,
  );
  let form;
  const again = keepFresh(async () => {
    try {
      const { providers } = await ask('GET', '/providers', { signal });
      if (form) form.choice.refresh(providers);
      else form = new Form(body, providers);
      return providers.some((provider) => provider.state === 'unknown') ? LOOKED_AT_MS : 20000;
    } catch (error) {
      // What somebody has filled in stays.
      if (!form && error.name !== 'AbortError') fill(body, trouble(error, () => again()));
      throw error;
    }
  }, signal);
}

class Form {
  constructor(root, providers) {
    this.choice = new Choice(providers, [], { onchange: () => this.#count() });
    this.name = field('name', 'Name', el('input', { maxLength: 100, autocomplete: 'off' }), 'Optional, for you to tell it from others.');
    const options = NAMINGS.map(([value, words]) => el('option', { value }, words));
    this.naming = field('naming', 'How tools are named', el('select', {}, options), 'It cannot be changed later.');
    this.trouble = el('div', {});
    this.button = el('button', { type: 'submit', class: 'primary large' }, 'Create session');
    this.count = el('p', { class: 'hint' });
    const form = el(
      'form', { class: 'stack', noValidate: true, onsubmit: (event) => this.#create(event) },
      el('fieldset', { class: 'plain' }, el('legend', {}, '1. Choose servers'), this.choice.element),
      el('fieldset', { class: 'plain' }, el('legend', {}, '2. Finish'),
        el('div', { class: 'card stack' }, this.name.element,
          el('details', {}, el('summary', {}, 'More options'), this.naming.element))),
      this.trouble,
      el('div', { class: 'actions sticky' }, this.button, this.count),
    );
    this.#count();
    fill(root, form);
  }

  #count() {
    const count = this.choice.servers.length;
    fill(this.count, count === 0 ? 'No server chosen yet.' : `${count} server${count > 1 ? 's' : ''} chosen.`);
  }

  async #create(event) {
    event.preventDefault();
    fill(this.trouble);
    for (const one of [this.name, this.naming]) one.refuse(null);
    if (this.choice.servers.length === 0) {
      this.choice.refuse('servers', 'Choose at least one server.');
      return;
    }
    const body = { servers: this.choice.servers, credentials: this.choice.credentials };
    const name = this.name.input.value.trim();
    if (name) body.name = name;
    if (this.naming.input.value !== 'auto') body.naming = this.naming.input.value;
    this.button.disabled = true;
    this.button.textContent = 'Creating…';
    try {
      const made = await ask('POST', '/create-session', { body });
      say('Session created.');
      location.hash = `#/session/${made.session_id}/connect`;
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.button.disabled = false;
      this.button.textContent = 'Create session';
    }
  }

  #refuse(error) {
    if (this.choice.refuse(error.field, error.message)) return;
    const own = { name: this.name, naming: this.naming }[error.field];
    if (own) {
      own.element.closest('details')?.setAttribute('open', '');
      own.refuse(error.message);
      own.input.focus();
      return;
    }
    fill(this.trouble, trouble(error));
  }
}

/** A labelled field with a hint and a place for what is wrong with it. */
export function field(name, words, input, hint) {
  const id = newId(name);
  const error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  input.id = id;
  input.dataset.field = name;
  input.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
  const refuse = (why) => {
    fill(error, why);
    if (why) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  };
  const element = el('div', { class: 'field' }, el('label', { htmlFor: id }, words), input,
    el('p', { class: 'hint', id: `${id}-hint` }, hint), error);
  return { element, input, refuse };
}
