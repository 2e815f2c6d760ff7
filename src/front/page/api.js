// The REST API, as whoever has signed in. The key is kept by this tab alone, and only until it is closed.

const KEPT = 'gateway-key';
let unkept = null;

/** A refusal of the gateway, or its silence. `field` names the field of the request that is wrong. */
export class Problem extends Error {
  constructor(heading, detail, { status = 0, field } = {}) {
    super(detail);
    this.heading = heading;
    this.status = status;
    this.field = field;
  }
}

/** The key that requests show, if there is one. */
export const key = () => {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return unkept; // A browser that keeps nothing: until the page is loaded anew.
  }
};

/** Shows this key from now on; none, without one. */
export function useKey(value) {
  unkept = value;
  try {
    if (value) sessionStorage.setItem(KEPT, value);
    else sessionStorage.removeItem(KEPT);
  } catch {
    // As above.
  }
}

/** What every request carries. */
export const headers = (more = {}) => (key() ? { authorization: `Bearer ${key()}`, ...more } : more);

/** Asks for JSON, or sends it. */
export async function ask(method, path, { body, signal } = {}) {
  const request = { method, signal, cache: 'no-store', headers: headers() };
  if (body !== undefined) {
    request.headers = headers({ 'content-type': 'application/json' });
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The gateway does not answer.', 'Is it still running? Start it again, then try again here.');
  }
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

/** Reads what a response refuses. One that asks who is there leads to the sign-in. */
export async function refusal(response) {
  const said = await response.json().catch(() => ({}));
  const detail = said.detail ?? said.error?.message ?? `The gateway answered HTTP ${response.status}.`;
  const more = { status: response.status, field: said.field };
  if (response.status === 401) {
    dispatchEvent(new CustomEvent('gateway-unknown-caller', { detail: { shown: Boolean(key()), words: detail } }));
    return new Problem('Sign in first.', sentence(detail), more);
  }
  if (response.status === 403) return new Problem('You may not do that.', sentence(detail), more);
  if (response.status === 404) return new Problem('It is not there.', sentence(detail), more);
  if (response.status === 429 || response.status === 503) {
    const wait = response.headers.get('retry-after');
    const when = wait ? ` Come back in ${wait} s.` : '';
    return new Problem('Not just now.', sentence(detail) + when, more);
  }
  return new Problem('The gateway did not take that.', sentence(detail), more);
}

/** What the API says in lower case, as people write it. */
export function sentence(words) {
  const text = words.trim();
  const ends = /[.!?]$/.test(text) ? text : `${text}.`;
  return ends.charAt(0).toUpperCase() + ends.slice(1);
}

/** Every session the caller may see, page after page, up to a number of them. */
export async function sessions(signal, most = 500) {
  const page = await ask('GET', `/sessions?limit=${most}`, { signal });
  return { sessions: page.sessions, more: page.next !== null };
}
