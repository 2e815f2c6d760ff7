// The folders that servers are told of which ask where they may work: those that whoever sits here writes down, none
// otherwise. A gateway's page has no folders of its own.

import { el, fill } from './dom.js';
import { field } from './field.js';

export class Roots {
  #uris = [];

  /** `changed` is called when there are others. */
  constructor(changed) {
    const members = { rows: 2, spellcheck: false, autocomplete: 'off', class: 'mono' };
    const input = el('textarea', { ...members, placeholder: 'file:///home/ada/project' });
    this.field = field('roots', 'Folders (roots)', input, 'One a line. Servers that ask where they may work are told these.');
    this.asked = el('p', { class: 'hint', role: 'status' });
    this.element = el('details', { class: 'roots' }, el('summary', {}, 'Folders for servers that ask'), this.field.element, this.asked);
    input.addEventListener('change', () => this.#read(changed));
  }

  /** What a server is told. */
  answer() {
    const count = this.#uris.length;
    fill(this.asked, `A server asked, and was told ${count === 0 ? 'none' : count}.`);
    return { roots: this.#uris.map((uri) => ({ uri })) };
  }

  #read(changed) {
    const uris = this.field.input.value.split('\n').map((line) => line.trim()).filter(Boolean);
    const strange = uris.find((uri) => !uri.startsWith('file:///') || !URL.canParse(uri));
    this.field.refuse(strange && `Servers take folders as addresses that begin with file:///, not “${strange}”.`);
    if (strange) return;
    this.#uris = uris;
    changed();
  }
}
