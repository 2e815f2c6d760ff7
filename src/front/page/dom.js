// Elements, made without a word of HTML: whatever a server says becomes text, never markup.

let unique = 0;

/** An id that no other element has. */
export const newId = (prefix = 'e') => `${prefix}-${(unique += 1)}`;

/**
 * Makes an element. Members that begin with `on` are listeners, `class` and `data-*` and `aria-*` attributes, the rest
 * properties where the element has them. A member that is undefined, null or false is left out.
 */
export function el(tag, members = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(members)) set(element, name, value);
  element.append(...flat(children));
  return element;
}

/** The same in SVG. */
export function svg(tag, members = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(members)) element.setAttribute(name, String(value));
  element.append(...flat(children));
  return element;
}

/** Puts others in the place of all that an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

function set(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name === 'class') element.className = value;
  else if (name in element && !name.includes('-')) element[name] = value;
  else element.setAttribute(name, value === true ? '' : String(value));
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);
}

/** Says something to everybody, those who do not look included. */
export function say(words) {
  const said = document.getElementById('said');
  said.textContent = words;
  said.classList.add('shown');
  clearTimeout(say.hides);
  say.hides = setTimeout(() => said.classList.remove('shown'), 4000);
}

/** A button that copies a text and says so. */
export function copyButton(text, what = 'Copy') {
  const button = el('button', { type: 'button', class: 'copy', 'aria-label': what }, 'Copy');
  let back;
  button.addEventListener('click', async () => {
    button.textContent = (await copied(typeof text === 'function' ? text() : text)) ? 'Copied' : 'Press Ctrl+C';
    say(button.textContent === 'Copied' ? 'Copied.' : 'Select the text and press Ctrl+C: the browser does not let the page copy.');
    clearTimeout(back);
    back = setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that are not encrypted have no clipboard, but for those on this machine.
    const area = el('textarea', { value: text, class: 'unseen', 'aria-hidden': 'true' });
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** The address of a web page; nothing where it is none. */
export function webAddress(address) {
  const url = URL.parse(address);
  return ['http:', 'https:'].includes(url?.protocol) ? url : null;
}

/** A link to another place on the web, opened beside this page; plain text where the address is no web page's. */
export function outside(address, words) {
  const url = webAddress(address);
  if (!url) return document.createTextNode(words);
  const hint = el('span', { class: 'unseen' }, ' (opens beside this page)');
  return el('a', { href: url.href, target: '_blank', rel: 'noreferrer noopener', class: 'out' }, words, hint);
}

/** How long ago a time is, in words. */
export function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000));
  for (const [size, unit] of [[86400, 'day'], [3600, 'hour'], [60, 'minute']]) {
    const count = Math.floor(seconds / size);
    if (count > 0) return `${count} ${unit}${count > 1 ? 's' : ''} ago`;
  }
  return seconds < 10 ? 'just now' : `${seconds} seconds ago`;
}

/** How long something lasts, in words. */
export function span(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  return seconds < 90 ? `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s` : `${Math.round(seconds / 60)} minutes`;
}

/** A heading for a view, which gets the focus when the view is shown. */
export function title(words, ...more) {
  document.title = `${words} · Multi-MCP Gateway`;
  return el('div', { class: 'title' }, el('h1', { tabIndex: -1 }, words), more);
}

/** What is shown while something is on its way. */
export function loading(words) {
  return el('p', { class: 'loading', role: 'status' }, el('span', { class: 'spinner', 'aria-hidden': 'true' }), words);
}

/** What is shown instead of what could not be had. */
export function trouble(error, again) {
  return el(
    'div', { class: 'notice bad', role: 'alert' },
    el('strong', {}, error.heading ?? 'That did not work.'),
    el('p', {}, error.message),
    again && el('button', { type: 'button', onclick: again }, 'Try again'),
  );
}
