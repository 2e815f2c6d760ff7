// Builds a session: choose servers, fill in their credentials, create.

import { ask } from './api.js';
import { el, fill, loading, say, title, trouble } from './dom.js';
import { field } from './field.js';
import { Options } from './options.js';
import { keepFresh } from './polling.js';
import { Choice } from './providers.js';

/** How long to wait before asking again whether a provider answers that is just looked at. */
const LOOKED_AT_MS = 700;

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
    this.options = new Options();
    this.trouble = el('div', {});
    this.button = el('button', { type: 'submit', class: 'primary large' }, 'Create session');
    this.count = el('p', { class: 'hint' });
    const form = el(
      'form', { class: 'stack', noValidate: true, onsubmit: (event) => this.#create(event) },
      el('fieldset', { class: 'plain' }, el('legend', {}, '1. Choose servers'), this.choice.element),
      el('fieldset', { class: 'plain' }, el('legend', {}, '2. Finish'),
        el('div', { class: 'card stack' }, this.name.element, this.options.element)),
      this.trouble,
      el('div', { class: 'actions sticky' }, this.button, this.count),
    );
    this.#count();
    fill(root, form);
  }

  #count() {
    const count = this.choice.servers.length;
    this.options.show(this.choice.servers);
    fill(this.count, count === 0 ? 'No server chosen yet.' : `${count} server${count > 1 ? 's' : ''} chosen.`);
  }

  async #create(event) {
    event.preventDefault();
    fill(this.trouble);
    this.name.refuse(null);
    this.options.clear();
    if (this.choice.servers.length === 0) {
      this.choice.refuse('servers', 'Choose at least one server.');
      return;
    }
    const body = { servers: this.choice.servers, credentials: this.choice.credentials, ...this.options.changes };
    const name = this.name.input.value.trim();
    if (name) body.name = name;
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
    if (this.choice.refuse(error.field, error.message) || this.options.refuse(error.field, error.message)) return;
    if (error.field === 'name') {
      this.name.refuse(error.message);
      this.name.input.focus();
      return;
    }
    fill(this.trouble, trouble(error));
  }
}
