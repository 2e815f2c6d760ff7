// What a server asks of whoever tries its tool: a form to fill in, a page to visit, an answer in place of a model. Each is a
// box with a way to say no; `done` is told the answer, or throws it away, and says it in words.

import { el, fill, newId, webAddress } from './dom.js';
import { RpcError } from './mcp.js';
import { content } from './result.js';
import { Unfit, schemaForm } from './schema_form.js';

/** What a server is told that asks a model, and hears no. */
const REFUSED = { code: -1, message: 'whoever sits here refused to answer' };

/** The box for a question. `refuse` answers with an error. */
export function question(method, params, done, refuse) {
  if (method === 'sampling/createMessage') return sample(params, done, () => refuse(new RpcError(REFUSED), 'You refused.'));
  return params.mode === 'url' ? visit(params, done) : fillIn(params, done);
}

function box(tag, members, ...children) {
  return el(tag, { class: 'card question stack', tabIndex: -1, 'aria-label': 'A question of the server', ...members }, ...children);
}

const words = (text) => el('p', { class: 'question-words' }, text);

function declining(done) {
  return [
    el('button', { type: 'button', onclick: () => done({ action: 'decline' }, 'You declined.') }, 'Decline'),
    el('button', { type: 'button', class: 'quiet', onclick: () => done({ action: 'cancel' }, 'You cancelled.') }, 'Cancel'),
  ];
}

function fillIn({ message, requestedSchema }, done) {
  const form = schemaForm(requestedSchema ?? {});
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
  return box('form', { noValidate: true, onsubmit: submit },
    words(message), form.element, wrong,
    el('div', { class: 'actions' }, el('button', { type: 'submit', class: 'primary', 'data-answer': '' }, 'Answer'), declining(done)),
    el('p', { class: 'hint' }, 'The server gets what you write here. Do not give it passwords.'));
}

/** A page to visit. It is opened by whoever reads where it leads, never by itself, and this page learns nothing of it. */
export function visit({ message, url }, done) {
  const place = webAddress(url);
  const address = el('div', { class: 'code' }, el('pre', { tabIndex: 0, dir: 'ltr' }, el('code', {}, place?.href ?? url)));
  if (!place) {
    return box('div', { role: 'group' }, words(message),
      el('p', { class: 'notice bad' }, 'It wants to send you to an address that is no web page. It is not opened here.'), address,
      el('div', { class: 'actions' }, declining(done)));
  }
  const opened = () => done({ action: 'accept' }, `You opened a page of ${place.host}.`);
  const link = el('a', {
    href: place.href, target: '_blank', rel: 'noreferrer noopener', class: 'button primary', 'data-open': '',
    onclick: opened, onauxclick: (event) => event.button === 1 && opened(),
  }, `Open ${place.host}`, el('span', { class: 'unseen' }, ' (beside this page)'));
  return box('div', { role: 'group' },
    words(message),
    el('p', {}, 'It wants you to open a page of ', el('strong', {}, place.host), '. The whole address:'),
    address,
    doubts(place).map((doubt) => el('p', { class: 'notice' }, doubt)),
    el('p', { class: 'hint' }, 'Open it only if you know that place and expected this. This page does not see what you do there.'),
    el('div', { class: 'actions' }, link, declining(done)));
}

/** What makes an address look like another place than it is. */
function doubts({ protocol, hostname, username, password }) {
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  return [
    /(^|\.)xn--/.test(hostname) && 'Its name has letters that may look like others: read it letter by letter.',
    (username || password) && 'A name stands before its @: where it leads is what comes after that.',
    protocol === 'http:' && !isHere && 'It is not encrypted: others on the way can read what you write there.',
  ].filter(Boolean);
}

function sample({ messages = [], systemPrompt, maxTokens }, done, refuse) {
  const id = newId('model');
  const area = el('textarea', { id, rows: 4, 'aria-describedby': `${id}-hint ${id}-error`, 'data-model': '' });
  area.addEventListener('input', () => fill(wrong));
  const wrong = el('p', { class: 'field-error', role: 'alert', id: `${id}-error` });
  const submit = (event) => {
    event.preventDefault();
    const text = area.value.trim();
    fill(wrong, text ? '' : 'Write what a model might say, or refuse.');
    if (!text) {
      area.focus();
      return;
    }
    const answer = { role: 'assistant', model: 'a-person', content: { type: 'text', text }, stopReason: 'endTurn' };
    done(answer, 'You answered in place of a model.');
  };
  const message = (role, parts) => el('div', { class: 'message' }, el('span', { class: 'tag' }, role), parts.map(content));
  return box('form', { noValidate: true, onsubmit: submit },
    words('The server asks your client’s model something. This page has none: answer in its place.'),
    systemPrompt && message('system', [{ type: 'text', text: systemPrompt }]),
    messages.map((it) => message(it.role, [it.content].flat())),
    el('div', { class: 'field' }, el('label', { htmlFor: id }, 'Your answer, as the model'), area,
      el('p', { class: 'hint', id: `${id}-hint` }, maxTokens && `It wants no more than ${maxTokens} tokens.`), wrong),
    el('div', { class: 'actions' }, el('button', { type: 'submit', class: 'primary', 'data-answer': '' }, 'Answer'),
      el('button', { type: 'button', onclick: refuse }, 'Refuse')));
}
