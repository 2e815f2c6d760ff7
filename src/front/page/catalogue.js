// What a session offers, to look through: the list on the left, what was picked on the right. What changes while
// somebody looks is changed in place: what they typed, picked and run stays.

import { el, fill, newId, say } from './dom.js';
import { block } from './result.js';
import { schemaWords } from './schema_words.js';

export class Catalogue {
  /** `begin` makes the run of an offer that was picked, `look` has the list read again; `below` stands below the list. */
  constructor(root, below, begin, look) {
    this.begin = begin;
    /** Each offer by its kind and name, in the order of the list; none before the first. */
    this.entries = null;
    this.picked = null;
    this.panel = el('section', { class: 'offer', 'aria-label': 'What was picked', tabIndex: -1 },
      el('p', { class: 'empty' }, 'Pick something from the list to see what it takes, and to try it.'));
    this.list = el('ul', { class: 'offers' });
    this.count = el('p', { class: 'hint', role: 'status' });
    this.lacks = el('div', {});
    this.told = el('p', { class: 'hint', role: 'status' });
    const again = (kind) => el('button', { type: 'button', class: kind, onclick: look }, 'Look again');
    this.nothing = el('div', { class: 'empty card' },
      el('p', {}, 'The servers offer nothing just now. If one is out of reach, its tools come back with it.'), again(''));
    const id = newId('search');
    this.search = el('input', { id, type: 'search', placeholder: 'Search', autocomplete: 'off', oninput: () => this.#filter() });
    this.columns = el('div', { class: 'try' },
      el('div', { class: 'try-list' },
        el('div', { class: 'field' }, el('label', { htmlFor: id, class: 'unseen' }, 'Search tools, prompts and resources'), this.search),
        el('div', { class: 'spread' }, this.count, again('quiet')), this.told, this.list, below),
      this.panel);
    fill(root, this.lacks, this.nothing, this.columns);
  }

  /** Says something of the list itself, or nothing any more. */
  say(words) {
    fill(this.told, words);
  }

  /** Shows these offers; `missing` are the servers that could not be asked. */
  update(offers, missing) {
    const before = this.entries;
    this.entries = new Map();
    for (const offer of offers) {
      const key = `${offer.kind} ${offer.name}`;
      const state = JSON.stringify(offer.definition);
      const had = before?.get(key);
      const mark = before && (had ? 'changed' : 'new');
      this.entries.set(key, had?.state === state ? had : this.#entry(key, offer, state, mark));
    }
    this.say('');
    const names = Object.keys(missing);
    fill(this.lacks, names.length > 0 && el('p', { class: 'notice' },
      `Not in the list, because they could not be asked: ${names.join(', ')}. The servers’ part says why, and what to do.`));
    this.nothing.hidden = offers.length > 0;
    this.columns.hidden = offers.length === 0 && !this.picked;
    this.#order();
    this.#filter();
    this.#compare();
    if (before) this.#announce(before);
  }

  #entry(key, offer, state, mark) {
    const isPicked = String(this.picked?.key === key);
    const button = el('button', { type: 'button', class: 'pick', 'aria-pressed': isPicked, 'data-offer': offer.name },
      el('span', { class: 'pick-kind' }, offer.kind, mark && el('strong', {}, ` · ${mark}`)),
      el('span', { class: 'pick-name' }, offer.name),
      offer.description && el('span', { class: 'pick-about' }, offer.description));
    const text = `${offer.kind} ${offer.name} ${offer.title ?? ''} ${offer.description ?? ''}`.toLowerCase();
    const entry = { key, offer, state, button, text, element: el('li', {}, button) };
    button.addEventListener('click', () => this.#pick(entry));
    return entry;
  }

  /** Puts the list in order, and leaves whoever is in it where they are. */
  #order() {
    const elements = [...this.entries.values()].map((it) => it.element);
    if (elements.length === this.list.children.length && elements.every((it, place) => it === this.list.children[place])) return;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.offer : null;
    const { scrollTop } = this.list;
    fill(this.list, elements);
    this.list.scrollTop = scrollTop;
    if (focused) this.list.querySelector(`[data-offer="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  #filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, text } of this.entries.values()) {
      element.hidden = !words.every((word) => text.includes(word));
      shown += element.hidden ? 0 : 1;
    }
    fill(this.count, shown === 0 ? 'Nothing is called that. Try another word.' : `${shown} of ${this.entries.size}`);
  }

  /** Tells whether what was picked is as it was. */
  #compare() {
    if (!this.picked) return;
    const now = this.entries.get(this.picked.key);
    if (now?.state === this.picked.state) fill(this.news);
    else if (!now) {
      const why = 'its server is out of reach, or it or the session has changed.';
      fill(this.news, el('p', { class: 'notice' }, `This is not offered any more: ${why}`));
    } else {
      fill(this.news, el('div', { class: 'notice' }, el('p', {}, 'The server has just changed this.'),
        el('button', { type: 'button', onclick: () => this.#pick(now) }, 'Show it as it is now')));
    }
  }

  #announce(before) {
    const count = (some, words) => (some.length > 0 ? [`${some.length} ${words}`] : []);
    const [now, then] = [[...this.entries.values()], [...before.values()]];
    const told = [
      ...count(now.filter((it) => !before.has(it.key)), 'new'),
      ...count(now.filter((it) => before.has(it.key) && before.get(it.key) !== it), 'changed'),
      ...count(then.filter((it) => !this.entries.has(it.key)), 'gone'),
    ];
    if (told.length > 0) say(`The list changed: ${told.join(', ')}.`);
  }

  #pick(entry) {
    const { offer } = entry;
    this.picked = entry;
    for (const other of this.entries.values()) other.button.setAttribute('aria-pressed', String(other === entry));
    const run = this.begin(offer);
    this.news = el('div', { role: 'status' });
    fill(this.panel,
      el('div', { class: 'offer-head' },
        el('h2', { tabIndex: -1 }, offer.title ?? offer.name),
        offer.title && el('code', {}, offer.name),
        el('p', { class: 'tags' }, offer.marks.map((mark) => el('span', { class: 'tag' }, mark)))),
      this.news,
      offer.description && el('p', { class: 'about' }, offer.description),
      offer.schemas.map(([words, schema]) => el('details', {}, el('summary', {}, `${words}, in words`), schemaWords(schema))),
      el('details', {}, el('summary', {}, 'Definition (JSON)'), block('', JSON.stringify(offer.definition, null, 2))),
      run.element);
    this.panel.querySelector('h2').focus({ preventScroll: true });
    // On a phone it stands below the list.
    this.panel.scrollIntoView({ block: 'nearest' });
  }
}
