// A labelled field of a form.

import { el, fill, newId } from './dom.js';

/** A labelled field with a hint and a place for what is wrong with it. */
export function field(name, words, input, hint) {
  const id = newId(name);
  const error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  input.id = id;
  input.dataset.field = name;
  input.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
  const refuse = (why) => {
    fill(error, why);
    if (why) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  };
  const element = el('div', { class: 'field' }, el('label', { htmlFor: id }, words), input,
    el('p', { class: 'hint', id: `${id}-hint` }, hint), error);
  return { element, input, refuse };
}
