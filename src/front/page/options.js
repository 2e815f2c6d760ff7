// What a session chooses beside its servers: which of their tools it offers, how they are named, how long it lives unused.

import { el, fill } from './dom.js';
import { field } from './field.js';

const NAMINGS = [
  ['auto', 'Let the gateway decide (server.tool, or server__tool for clients that refuse dots)'],
  ['dot', 'server.tool'],
  ['underscores', 'server__tool'],
  ['none', 'The tools’ own names (for a session of one server)'],
];

/** The fields for them. Without a session they are those of a new one. */
export class Options {
  constructor(session) {
    this.had = { naming: 'auto', idle_expiry: null, tools: {}, ...session };
    const naming = NAMINGS.map(([value, words]) => el('option', { value, selected: value === this.had.naming }, words));
    this.naming = field('naming', 'How tools are named', el('select', {}, naming),
      session ? 'With another choice every client meets every tool under another name.' : 'You can change it later.');
    this.idle = field('idle_expiry', 'Delete it when nobody used it for',
      el('input', { autocomplete: 'off', value: this.had.idle_expiry ?? '', placeholder: '30days' }),
      'Such as 12h or 30days. Empty for as long as the gateway keeps sessions.');
    this.filters = new Map();
    this.slot = el('div', { class: 'stack' });
    this.element = el('details', {}, el('summary', {}, 'More options'),
      el('div', { class: 'stack' }, this.slot, this.naming.element, this.idle.element));
  }

  /** Shows a filter for each of these servers. */
  show(servers) {
    for (const name of servers) {
      if (!this.filters.has(name)) this.filters.set(name, new Filter(name, this.had.tools[name]));
    }
    this.servers = [...servers];
    fill(this.slot, this.servers.map((name) => this.filters.get(name).element));
  }

  /** What is not as the session has it, as the API wants it. */
  get changes() {
    const body = {};
    if (this.naming.input.value !== this.had.naming) body.naming = this.naming.input.value;
    const idle = this.idle.input.value.trim();
    if (idle !== (this.had.idle_expiry ?? '')) body.idle_expiry = idle || null;
    const changed = this.servers.map((name) => [name, this.filters.get(name)]).filter(([, filter]) => filter.isChanged);
    if (changed.length > 0) body.tools = Object.fromEntries(changed.map(([name, filter]) => [name, filter.value]));
    return body;
  }

  /** Shows what the API says of a field at that field, or nothing any more; tells whether it is one of these. */
  refuse(name, words) {
    const server = name?.match(/^tools\.([^.[]+)(?:\.(allow|deny))?/);
    const one = server ? this.filters.get(server[1])?.of(server[2]) : { naming: this.naming, idle_expiry: this.idle }[name];
    if (!one) return false;
    this.element.open = true;
    one.refuse(words);
    one.input.focus();
    return true;
  }

  clear() {
    const filters = [...this.filters.values()].flatMap((filter) => [filter.allow, filter.deny]);
    for (const one of [this.naming, this.idle, ...filters]) one.refuse(null);
  }
}

/** Which tools of a server are offered: patterns, one a line. */
class Filter {
  constructor(name, had) {
    const area = (patterns) => el('textarea', { rows: 2, spellcheck: false, autocomplete: 'off', value: (patterns ?? []).join('\n') });
    this.allow = field(`tools.${name}.allow`, `Offer only these tools of ${name}`, area(had?.allow),
      'One a line, by the server’s own names; * stands for anything. Empty for all.');
    this.deny = field(`tools.${name}.deny`, `Never offer these tools of ${name}`, area(had?.deny), 'Wins over the list above.');
    this.element = el('div', { class: 'stack' }, this.allow.element, this.deny.element);
    this.before = this.#words;
  }

  /** As the API wants it; null for no filter. */
  get value() {
    const lines = (one) => one.input.value.split('\n').map((line) => line.trim()).filter(Boolean);
    const [allow, deny] = [lines(this.allow), lines(this.deny)];
    if (allow.length + deny.length === 0) return null;
    return { ...(allow.length > 0 && { allow }), ...(deny.length > 0 && { deny }) };
  }

  get isChanged() {
    return this.#words !== this.before;
  }

  of(list) {
    return list === 'deny' ? this.deny : this.allow;
  }

  get #words() {
    return `${this.allow.input.value}\0${this.deny.input.value}`;
  }
}
