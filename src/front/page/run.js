// One try: the form, what happens while it is under way, questions in between, the result.

import { el, fill, span, trouble } from './dom.js';
import { question, visit } from './questions.js';
import { Unfit } from './schema_form.js';

/** Lines of the log that are kept. */
const LINES_MAX = 500;
/** The code of an error that names pages to visit before. */
const VISIT_FIRST = -32042;

/** What somebody picked, ready to be tried with a client. */
export class Run {
  /** `began` is called whenever it is. */
  constructor(client, offer, signal, began) {
    this.client = client;
    this.offer = offer;
    this.leaves = signal;
    this.began = began;
    this.form = offer.form();
    this.button = el('button', { type: 'submit', class: 'primary', 'data-run': '' }, offer.verb);
    this.stop = el('button', { type: 'button', hidden: true }, 'Stop');
    this.wrong = el('p', { class: 'field-error', role: 'alert' });
    this.bar = el('progress', { hidden: true, 'aria-label': 'Progress' });
    this.phase = el('p', { class: 'phase', role: 'status' });
    this.questions = el('div', {});
    this.log = el('ol', { class: 'log', hidden: true, 'aria-label': 'What happened', tabIndex: 0 });
    this.result = el('div', { class: 'result stack' });
    this.element = el('div', { class: 'run stack' },
      el('form', { class: 'stack', noValidate: true, onsubmit: (event) => this.#begin(event) },
        this.form.element, this.wrong,
        offer.careful && el('p', { class: 'notice' }, 'This tool says that it may destroy something. It runs for real.'),
        el('div', { class: 'actions' }, this.button, this.stop)),
      el('div', { class: 'course stack' }, this.phase, this.bar, this.questions, this.log, this.result));
  }

  /** Stops what is under way: nobody sees it any more. */
  leave() {}

  async #begin(event) {
    event.preventDefault();
    fill(this.wrong);
    let value;
    try {
      value = this.form.read();
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      fill(this.wrong, error.message);
      error.input?.focus();
      return;
    }
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    this.leaves.addEventListener('abort', stop);
    this.stop.onclick = stop;
    this.leave = stop;
    this.#show(true);
    this.began();
    const began = performance.now();
    try {
      const params = this.offer.params(value);
      const hear = (message) => this.hear(message);
      const result = await this.client.request(this.offer.method, params, { hear, signal: stopping.signal });
      fill(this.phase, `Done in ${span(performance.now() - began)}.`);
      fill(this.result, el('h3', {}, 'Result'), this.offer.show(result));
    } catch (error) {
      if (stopping.signal.aborted) fill(this.phase, 'Stopped.');
      else {
        fill(this.phase, `Failed after ${span(performance.now() - began)}.`);
        const visits = error.code === VISIT_FIRST && error.data?.elicitations;
        if (Array.isArray(visits)) this.#send(visits);
        else fill(this.result, trouble(error));
      }
    } finally {
      this.leaves.removeEventListener('abort', stop);
      this.#show(false);
      fill(this.questions);
    }
  }

  #show(running) {
    this.button.disabled = running;
    this.stop.hidden = !running;
    if (!running) {
      this.bar.hidden = true;
      return;
    }
    fill(this.phase, 'Under way…');
    fill(this.result);
    fill(this.log);
    this.log.hidden = true;
    this.bar.removeAttribute('value');
    this.bar.hidden = false;
  }

  /** Shows what comes while it is under way. */
  hear({ method, params = {} }) {
    if (method === 'notifications/progress') {
      if (params.total > 0) {
        this.bar.max = params.total;
        this.bar.value = Math.min(params.progress, params.total);
      }
      const of = params.total > 0 ? ` of ${params.total}` : '';
      fill(this.phase, params.message ?? `Under way: ${params.progress}${of}`);
      this.#line('progress', params.message ?? `${params.progress}${of}`);
    } else if (method === 'notifications/message') {
      const words = typeof params.data === 'string' ? params.data : JSON.stringify(params.data);
      this.#line(params.level ?? 'log', words, params.logger);
    } else if (method === 'notifications/elicitation/complete') {
      this.#line('visit', 'The server says that what it sent you to is done.');
    } else if (method === 'page/unanswered') {
      this.#line('error', `The answer did not reach the server: ${params.message}`);
    }
  }

  #line(kind, words, logger) {
    this.log.hidden = false;
    if (this.log.children.length >= LINES_MAX) this.log.firstElementChild.remove();
    this.log.append(el('li', { class: `line line-${kind}` },
      el('span', { class: 'line-kind' }, logger ? `${kind} · ${logger}` : kind), el('span', {}, words)));
    this.log.scrollTop = this.log.scrollHeight;
  }

  /** Puts a server's question to whoever sits here: their answer. */
  ask(method, params) {
    return new Promise((resolve, reject) => {
      const end = (words) => {
        box.remove();
        this.#line('answer', words);
        fill(this.phase, 'Under way…');
      };
      const done = (answer, words) => {
        end(words);
        resolve(answer);
      };
      const refuse = (error, words) => {
        end(words);
        reject(error);
      };
      const box = question(method, params, done, refuse);
      this.questions.append(box);
      fill(this.phase, 'The server asks you something.');
      // Nobody is to open a page by the key that ran the tool.
      (box.querySelector('input, select, textarea') ?? box).focus();
    });
  }

  /** The tool wants its user to have been somewhere first. */
  #send(visits) {
    const hint = el('p', { class: 'hint' }, 'Done there? Then run it again.');
    fill(this.result, el('h3', {}, 'It wants you to visit a page first'), visits.filter(Boolean).map((it) => {
      const box = visit(it, (_, words) => {
        box.replaceWith(el('p', { class: 'hint' }, words));
        this.button.focus();
      });
      return box;
    }), hint);
  }
}
