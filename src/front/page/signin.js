// Who is there? Shown where the gateway asks, and the request had no answer to that.

import { el, fill, newId } from './dom.js';

/** A form for a key. `enter` tries it; it fails where the key lets nobody in. */
export function signIn({ shown, words }, enter) {
  document.title = 'Sign in · Multi-MCP Gateway';
  const id = newId('key');
  const told = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  const input = el('input', {
    id, type: 'password', autocomplete: 'off', spellcheck: false, required: true, 'aria-describedby': `${id}-hint ${id}-error`,
  });
  const button = el('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const refuse = (why) => {
    fill(told, why);
    input.setAttribute('aria-invalid', 'true');
    input.focus();
  };
  if (shown) fill(told, `The gateway says: ${words}.`);
  const submit = async (event) => {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) return refuse('Paste your key first.');
    // What a header cannot carry would fail in the browser, without a word of why.
    if (!/^[\x21-\x7e]+$/.test(value)) return refuse('A key has no spaces and no accents. Copy it again, whole.');
    button.disabled = true;
    try {
      await enter(value);
    } catch (error) {
      refuse(error.status === 401 ? `This key lets nobody in. ${error.message}` : error.message);
    } finally {
      button.disabled = false;
    }
  };
  return el(
    'div', { class: 'view narrow' },
    el('h1', { tabIndex: -1 }, 'Sign in'),
    el('p', { class: 'lead' }, 'This gateway asks who you are. Show it your API key.'),
    el(
      'form', { class: 'card stack', onsubmit: submit, noValidate: true },
      el('div', { class: 'field' },
        el('label', { htmlFor: id }, 'API key'),
        input,
        el('p', { class: 'hint', id: `${id}-hint` },
          'Whoever runs the gateway makes one with ', el('code', {}, 'mcp-gateway keys create'),
          '. It stays in this tab and is forgotten when you close it.'),
        told),
      el('div', {}, button),
    ),
  );
}
