// Tools, prompts and resources of a session, to look through and to try, through its real MCP endpoint.

import { el, fill, loading, newId, trouble } from './dom.js';
import { Client } from './mcp.js';
import { block, promptResult, resourceResult, toolResult } from './result.js';
import { Run } from './run.js';
import { schemaForm, switchableForm } from './schema_form.js';
import { schemaWords } from './schema_words.js';

/** Shows the part. */
export async function tryOut(root, signal, { id, session }) {
  fill(root, loading('Asking the servers what they offer…'));
  let run = null;
  const client = new Client(`/session/${id}/mcp`, (question, hear) => run.ask(question, hear));
  const close = () => client.close();
  signal.addEventListener('abort', close);
  addEventListener('pagehide', close, { signal });
  try {
    const missing = {};
    const offers = await everything(client, signal, missing);
    if (signal.aborted) return;
    const begin = (offer) => {
      run?.leave();
      run = new Run(client, offer, signal);
      return run;
    };
    new Catalogue(root, offers, missing, begin, () => tryOut(root, signal, { id, session }));
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    close();
    const foreign = 'Only the session’s owner may use its tools: its credentials act for them alone.';
    const told = error.status === 404 ? { heading: 'This is not yours to use.', message: foreign } : error;
    fill(root, trouble(told, () => tryOut(root, signal, { id, session })));
  }
}

/** All that the session offers, each with how to ask for it. */
async function everything(client, signal, missing) {
  const tools = await client.list('tools/list', 'tools', signal, missing);
  const has = client.capabilities;
  const prompts = has.prompts ? await client.list('prompts/list', 'prompts', signal) : [];
  const resources = has.resources ? await client.list('resources/list', 'resources', signal) : [];
  const templates = has.resources ? await client.list('resources/templates/list', 'resourceTemplates', signal) : [];
  return [
    ...tools.map(tool), ...prompts.map(prompt), ...resources.map(resource), ...templates.map(template),
  ];
}

function tool(definition) {
  const { name, title, description, inputSchema, outputSchema, annotations = {} } = definition;
  const marks = [
    annotations.readOnlyHint && 'only reads', annotations.destructiveHint && 'may destroy', annotations.openWorldHint && 'reaches out',
  ].filter(Boolean);
  return {
    kind: 'Tool', verb: 'Run', name, title: title ?? annotations.title, description, marks, definition,
    schemas: [['Arguments', inputSchema], ['Result', outputSchema]].filter(([, schema]) => schema),
    form: () => switchableForm(inputSchema),
    method: 'tools/call', params: (value) => ({ name, arguments: value }), show: toolResult,
    careful: annotations.destructiveHint === true,
  };
}

function prompt(definition) {
  const { name, title, description, arguments: takes = [] } = definition;
  const properties = Object.fromEntries(takes.map((it) => [it.name, { type: 'string', title: it.title, description: it.description }]));
  const required = takes.filter((it) => it.required).map((it) => it.name);
  const schema = { type: 'object', properties, required, additionalProperties: false };
  return {
    kind: 'Prompt', verb: 'Get', name, title, description, marks: [], definition, schemas: [],
    form: () => schemaForm(schema),
    method: 'prompts/get', params: (value) => ({ name, arguments: value }), show: promptResult,
  };
}

function resource(definition) {
  const { uri, name, title, description, mimeType } = definition;
  return {
    kind: 'Resource', verb: 'Read', name: uri, title: title ?? name, description, marks: [mimeType].filter(Boolean),
    definition, schemas: [],
    form: () => schemaForm({ type: 'object', properties: {}, additionalProperties: false }),
    method: 'resources/read', params: () => ({ uri }), show: resourceResult,
  };
}

function template(definition) {
  const { uriTemplate, name, title, description } = definition;
  const named = [...uriTemplate.matchAll(/\{[+#./;?&]?([^}]+)\}/g)].flatMap(([, names]) => names.split(','));
  const holes = named.map((it) => it.replace(/[*:].*$/, ''));
  const properties = Object.fromEntries(holes.map((hole) => [hole, { type: 'string' }]));
  const schema = { type: 'object', properties, required: holes, additionalProperties: false };
  const uri = (value) => uriTemplate.replace(/\{([+#])?[./;?&]?([^}:*]+)[^}]*\}/g, (_, plain, names) =>
    names.split(',').map((it) => (plain ? value[it] ?? '' : encodeURIComponent(value[it] ?? ''))).join(','));
  return {
    kind: 'Resource', verb: 'Read', name: uriTemplate, title: title ?? name, description, marks: ['template'], definition, schemas: [],
    form: () => schemaForm(schema),
    method: 'resources/read', params: (value) => ({ uri: uri(value) }), show: resourceResult,
  };
}

/** The list on the left, what was picked on the right. */
class Catalogue {
  constructor(root, offers, missing, begin, reload) {
    this.offers = offers;
    this.begin = begin;
    this.panel = el('section', { class: 'offer', 'aria-label': 'What was picked', tabIndex: -1 });
    this.list = el('ul', { class: 'offers' });
    this.count = el('p', { class: 'hint', role: 'status' });
    const lacks = Object.keys(missing);
    const told = lacks.length > 0 && el('p', { class: 'notice' },
      `Not in the list, because they could not be asked: ${lacks.join(', ')}. The servers’ part says why, and what to do.`);
    if (offers.length === 0) {
      fill(root, told, el('div', { class: 'empty card' },
        el('p', {}, 'The servers offer nothing just now. If one is out of reach, its tools come back with it.'),
        el('button', { type: 'button', onclick: reload }, 'Look again')));
      return;
    }
    const id = newId('search');
    const search = el('input', { id, type: 'search', placeholder: 'Search', autocomplete: 'off' });
    search.addEventListener('input', () => this.#search(search.value));
    const again = el('button', { type: 'button', class: 'quiet', onclick: reload }, 'Look again');
    fill(root, told, el('div', { class: 'try' },
      el('div', { class: 'try-list' },
        el('div', { class: 'field' }, el('label', { htmlFor: id, class: 'unseen' }, 'Search tools, prompts and resources'), search),
        el('div', { class: 'spread' }, this.count, again), this.list),
      this.panel));
    this.buttons = offers.map((offer) => this.#button(offer));
    this.list.append(...this.buttons.map((it) => it.element));
    this.#search('');
    fill(this.panel, el('p', { class: 'empty' }, 'Pick something from the list to see what it takes, and to try it.'));
  }

  #button(offer) {
    const button = el('button', { type: 'button', class: 'pick', 'aria-pressed': 'false', 'data-offer': offer.name },
      el('span', { class: 'pick-kind' }, offer.kind), el('span', { class: 'pick-name' }, offer.name),
      offer.description && el('span', { class: 'pick-about' }, offer.description));
    button.addEventListener('click', () => this.#pick(offer, button));
    const text = `${offer.kind} ${offer.name} ${offer.title ?? ''} ${offer.description ?? ''}`.toLowerCase();
    return { element: el('li', {}, button), button, text };
  }

  #search(typed) {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, text } of this.buttons) {
      element.hidden = !words.every((word) => text.includes(word));
      shown += element.hidden ? 0 : 1;
    }
    fill(this.count, shown === 0 ? 'Nothing is called that. Try another word.' : `${shown} of ${this.offers.length}`);
  }

  #pick(offer, button) {
    for (const other of this.buttons) other.button.setAttribute('aria-pressed', String(other.button === button));
    const run = this.begin(offer);
    fill(this.panel,
      el('div', { class: 'offer-head' },
        el('h2', { tabIndex: -1 }, offer.title ?? offer.name),
        offer.title && el('code', {}, offer.name),
        el('p', { class: 'tags' }, offer.marks.map((mark) => el('span', { class: 'tag' }, mark)))),
      offer.description && el('p', { class: 'about' }, offer.description),
      offer.schemas.map(([words, schema]) => el('details', {}, el('summary', {}, `${words}, in words`), schemaWords(schema))),
      el('details', {}, el('summary', {}, 'Definition (JSON)'), block('', JSON.stringify(offer.definition, null, 2))),
      run.element);
    this.panel.querySelector('h2').focus({ preventScroll: true });
    // On a phone it stands below the list.
    this.panel.scrollIntoView({ block: 'nearest' });
  }
}
