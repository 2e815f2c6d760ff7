// Providers to choose from: what each offers, which credential it takes and where that is had.

import { sentence } from './api.js';
import { el, fill, newId, outside, webAddress } from './dom.js';

const KINDS = { bearer: { words: 'Token', member: 'token' }, api_key: { words: 'API key', member: 'api_key' } };

/** What a provider asks of whoever chooses it, in a word or two. */
export function asks(auth) {
  if (auth.type === 'none') return 'No credential';
  const word = KINDS[auth.type].words;
  if (auth.required) return `${word} needed`;
  return auth.has_default ? `${word} provided` : `${word} optional`;
}

/** Whether a provider answers, as a mark and in words. */
export function presence(provider) {
  const [kind, words] = {
    answers: ['ok', 'Answers'],
    unfit: ['bad', 'Answers, but not as it should'],
    away: ['bad', 'Does not answer'],
    unknown: ['busy', 'Checking…'],
  }[provider.state];
  return el('span', { class: `state ${kind}`, title: provider.revision ? `It speaks MCP ${provider.revision}.` : '' }, words);
}

/** A field for one provider's credential. Its `value` is what the API wants, or nothing where it is left empty. */
export class CredentialField {
  constructor(provider, { hint } = {}) {
    const { auth } = provider;
    this.provider = provider;
    this.kind = KINDS[auth.type];
    const id = newId('credential');
    this.error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
    this.input = el('input', {
      id, type: 'password', autocomplete: 'off', spellcheck: false, 'aria-describedby': `${id}-hint ${id}-error`,
      'data-credential': provider.name, oninput: () => this.refuse(null),
    });
    const shows = el('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false' }, 'Show');
    shows.addEventListener('click', () => {
      const hidden = this.input.type === 'text';
      this.input.type = hidden ? 'password' : 'text';
      shows.textContent = hidden ? 'Show' : 'Hide';
      shows.setAttribute('aria-pressed', String(!hidden));
    });
    const where = auth.obtain && [' ', outside(auth.obtain, `Get one from ${place(auth.obtain)}`), '.'];
    const said = hint ?? {
      true: 'This server works only with one.',
      false: auth.has_default ? 'Leave it empty to use the one the gateway has.' : 'Leave it empty to go without.',
    }[auth.required];
    this.element = el(
      'div', { class: 'field' },
      el('label', { htmlFor: id }, `${this.kind.words} for ${provider.name}`),
      el('div', { class: 'input-row' }, this.input, shows),
      el('p', { class: 'hint', id: `${id}-hint` }, said, where),
      this.error,
    );
  }

  get value() {
    const text = this.input.value.trim();
    return text ? { [this.kind.member]: text } : undefined;
  }

  /** What the API says of it, as somebody needs it who has this field before them. */
  inWords(words) {
    const word = this.kind.words;
    if (!this.input.value.trim()) return `Paste the ${word === 'Token' ? 'token' : word}: this server works only with one.`;
    return words.replace(/^credentials\.\S+/i, `The ${word === 'Token' ? 'token' : word}`);
  }

  refuse(words) {
    fill(this.error, words);
    if (words) this.input.setAttribute('aria-invalid', 'true');
    else this.input.removeAttribute('aria-invalid');
  }

  focus() {
    this.input.focus();
  }
}

const place = (address) => webAddress(address)?.hostname ?? 'its page';

/** Every provider as something to tick, with its credential's field once it is ticked. */
export class Choice {
  constructor(providers, chosen = [], { hints = {}, onchange = () => {} } = {}) {
    this.order = [...chosen];
    this.onchange = onchange;
    this.cards = new Map();
    this.list = el('ul', { class: 'cards' });
    for (const provider of providers) {
      const card = new Card(provider, chosen.includes(provider.name), hints[provider.name], () => this.#ticked(card));
      this.cards.set(provider.name, card);
      this.list.append(card.element);
    }
    this.error = el('p', { class: 'field-error', id: newId('servers'), role: 'alert' });
    this.none = el('p', { class: 'empty', hidden: true }, 'No server is called that. Try another word.');
    const search = providers.length > 6 && this.#search();
    this.element = el('div', { class: 'stack' }, search, this.list, this.none, this.error);
  }

  /** The names of those that are ticked, in the order in which they were. */
  get servers() {
    return this.order;
  }

  get credentials() {
    const given = {};
    for (const name of this.order) {
      const value = this.cards.get(name)?.credential?.value;
      if (value) given[name] = value;
    }
    return given;
  }

  /** Shows what the API says of a field at that field; tells whether it is one of these. */
  refuse(field, words) {
    const [, index] = field?.match(/^servers(?:\[(\d+)\])?$/) ?? [null, null];
    if (index !== null) {
      fill(this.error, words);
      (this.cards.get(this.order[Number(index)]) ?? [...this.cards.values()][0])?.tick.focus();
      return true;
    }
    const name = field?.match(/^credentials\.([^.]+)/)?.[1];
    const credential = name && this.cards.get(name)?.credential;
    if (!credential) return false;
    credential.refuse(credential.inWords(words));
    credential.focus();
    return true;
  }

  /** Shows anew which of them answer. */
  refresh(providers) {
    for (const provider of providers) this.cards.get(provider.name)?.refresh(provider);
  }

  #ticked(card) {
    const { name } = card.provider;
    this.order = this.order.filter((other) => other !== name);
    if (card.tick.checked) this.order.push(name);
    fill(this.error);
    this.onchange(this.order);
  }

  #search() {
    const id = newId('search');
    const input = el('input', { id, type: 'search', placeholder: 'Search servers', autocomplete: 'off' });
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { element, provider } of this.cards.values()) {
        const text = `${provider.name} ${provider.description ?? ''}`.toLowerCase();
        element.hidden = !words.every((word) => text.includes(word));
        shown += element.hidden ? 0 : 1;
      }
      this.none.hidden = shown > 0;
    });
    return el('div', { class: 'field' }, el('label', { htmlFor: id, class: 'unseen' }, 'Search servers'), input);
  }
}

class Card {
  constructor(provider, ticked, hint, onchange) {
    this.provider = provider;
    const id = newId('provider');
    this.tick = el('input', { id, type: 'checkbox', checked: ticked, 'data-provider': provider.name, 'aria-describedby': `${id}-about` });
    this.state = el('span', { class: 'card-state' }, presence(provider));
    this.why = el('p', { class: 'card-why' });
    this.credential = provider.auth.type === 'none' ? null : new CredentialField(provider, { hint });
    this.slot = el('div', { class: 'card-slot' });
    this.tick.addEventListener('change', () => {
      this.#open();
      onchange();
    });
    this.element = el(
      'li', { class: 'card choice' },
      el('label', { class: 'choice-head', htmlFor: id },
        this.tick,
        el('span', { class: 'choice-words' },
          el('span', { class: 'choice-name' }, provider.name),
          el('span', { class: 'choice-about', id: `${id}-about` }, provider.description ?? 'Nothing is said of what it offers.')),
        el('span', { class: 'choice-marks' }, this.state, el('span', { class: 'asks' }, asks(provider.auth)))),
      this.why, this.slot,
    );
    this.#open();
    this.refresh(provider);
  }

  refresh(provider) {
    const { state, error, remedy, revision } = provider;
    const now = JSON.stringify([state, error, revision]);
    if (this.shown === now) return;
    this.shown = now;
    fill(this.state, presence(provider));
    fill(this.why, error && `The gateway cannot use it just now: ${error}. ${sentence(remedy)} You can choose it all the same.`);
  }

  #open() {
    this.element.classList.toggle('ticked', this.tick.checked);
    fill(this.slot, this.tick.checked && this.credential?.element);
  }
}
