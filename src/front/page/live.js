// A session's requests as they happen, and how long each server takes. Told by the gateway, without what stood in them.

import { Problem, headers, refusal } from './api.js';
import { el, fill, span, trouble } from './dom.js';
import { events } from './events.js';
import { Plot } from './plot.js';
import { keepOpen } from './streaming.js';

/** Requests that stay on the page. */
const ROWS_MAX = 200;
const COLUMNS = ['When', 'Request', 'Server', 'Outcome', 'Took'];
const BAD = new Set(['error', 'failed']);

/** Shows the part. */
export function live(root, signal, { id, session }) {
  const view = new View(root, session);
  keepOpen((until, opened) => follow(id, view, until, opened), signal, (error) => {
    // Gone for good, or not this caller's: said once.
    if (error.status === 404) view.refuse(error);
    else view.say(`${error.message} Trying again.`);
    return error.status === 404 || error.status === 401;
  });
}

async function follow(id, view, signal, opened) {
  let response;
  try {
    response = await fetch(`/session/${id}/activity`, { headers: headers({ accept: 'text/event-stream' }), signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The gateway does not answer.', 'The gateway does not answer.');
  }
  if (!response.ok) throw await refusal(response);
  opened();
  // It begins with the last ones, which may be there already.
  view.begin();
  for await (const event of events(response.body, signal)) {
    if (event.event === 'exchange') view.add(JSON.parse(event.data));
  }
}

class View {
  constructor(root, session) {
    this.root = root;
    this.status = el('p', { class: 'hint', role: 'status' }, 'Opening the stream…');
    this.rows = el('tbody', {});
    this.plots = new Map();
    this.cards = el('ul', { class: 'plots' });
    for (const { name } of session.servers) this.#plot(name);
    this.none = el('p', { class: 'empty' },
      'Nothing yet. Use the session from a client, or try a tool: each request shows up here as it ends.');
    this.table = el('div', { class: 'requests', hidden: true, tabIndex: 0, role: 'region', 'aria-label': 'Requests' },
      el('table', {},
        el('caption', { class: 'unseen' }, 'Requests, the newest first'),
        el('thead', {}, el('tr', {}, COLUMNS.map((words) => el('th', { scope: 'col' }, words)))),
        this.rows));
    fill(root, this.cards, this.status, this.none, this.table);
  }

  begin() {
    fill(this.rows);
    for (const plot of this.plots.values()) plot.clear();
    this.say('Requests show up as they end. What stood in them is not kept.');
  }

  say(words) {
    fill(this.status, words);
  }

  refuse(error) {
    const words = 'Only the session’s owner may watch its requests.';
    fill(this.root, trouble({ heading: error.heading, message: words }));
  }

  add(done) {
    this.none.hidden = true;
    this.table.hidden = false;
    const bad = BAD.has(done.outcome);
    const when = new Date(Date.now() - done.ago_ms);
    this.rows.prepend(el('tr', { class: bad ? 'bad' : '' },
      el('td', {}, el('time', { dateTime: when.toISOString() }, when.toLocaleTimeString())),
      el('td', {}, done.method, done.name && [' ', el('strong', {}, done.name)]),
      el('td', {}, done.server ?? 'several'),
      el('td', {}, el('span', { class: `state ${bad ? 'bad' : done.outcome === 'ok' ? 'ok' : 'calm'}` }, done.outcome)),
      el('td', { class: 'number' }, span(done.elapsed_ms))));
    if (this.rows.children.length > ROWS_MAX) this.rows.lastElementChild.remove();
    if (done.server) this.#plot(done.server).add(done.elapsed_ms, bad);
  }

  #plot(name) {
    if (!this.plots.has(name)) {
      const plot = new Plot(name);
      this.plots.set(name, plot);
      this.cards.append(el('li', { class: 'card' }, plot.element));
    }
    return this.plots.get(name);
  }
}
