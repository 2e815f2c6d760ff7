// One try: the form, what happens while it is under way, questions in between, the result.

import { el, fill, outside, span, trouble } from './dom.js';
import { Unfit, schemaForm } from './schema_form.js';

/** Lines of the log that are kept. */
const LINES_MAX = 500;

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
        fill(this.result, trouble(error));
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
  ask(question) {
    return new Promise((resolve) => {
      const done = (answer, words) => {
        box.remove();
        this.#line('answer', words);
        fill(this.phase, 'Under way…');
        resolve(answer);
      };
      const box = question.mode === 'url' ? visit(question, done) : fillIn(question, done);
      this.questions.append(box);
      fill(this.phase, 'The server asks you something.');
      box.querySelector('input, select, textarea, a, button')?.focus();
    });
  }
}

function fillIn(question, done) {
  const form = schemaForm(question.requestedSchema ?? {});
  const wrong = el('p', { class: 'field-error', role: 'alert' });
  const submit = (event) => {
    event.preventDefault();
    fill(wrong);
    try {
      done({ action: 'accept', content: form.read() }, 'You answered.');
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      fill(wrong, error.message);
      error.input?.focus();
    }
  };
  return el('form', { class: 'card question stack', noValidate: true, onsubmit: submit, 'aria-label': 'A question of the server' },
    el('p', { class: 'question-words' }, question.message), form.element, wrong,
    el('div', { class: 'actions' }, el('button', { type: 'submit', class: 'primary', 'data-answer': '' }, 'Answer'),
      el('button', { type: 'button', onclick: () => done({ action: 'decline' }, 'You declined.') }, 'Decline'),
      el('button', { type: 'button', class: 'quiet', onclick: () => done({ action: 'cancel' }, 'You cancelled.') }, 'Cancel')),
    el('p', { class: 'hint' }, 'The server gets what you write here. Do not give it passwords.'));
}

function visit(question, done) {
  const opened = () => done({ action: 'accept' }, 'You agreed to open the page.');
  const link = outside(question.url, question.url);
  link.addEventListener?.('click', opened);
  return el('div', { class: 'card question stack', role: 'group', 'aria-label': 'A question of the server' },
    el('p', { class: 'question-words' }, question.message),
    el('p', {}, 'The server asks you to open this page. Open it only if you know where it leads: ', link),
    el('div', { class: 'actions' },
      el('button', { type: 'button', onclick: () => done({ action: 'decline' }, 'You declined.') }, 'Decline')));
}
