// Tools, prompts and resources of a session, to look through and to try, through its real MCP endpoint. What changes
// meanwhile is heard on that endpoint's stream, and shown.

import { fill, loading, trouble } from './dom.js';
import { Catalogue } from './catalogue.js';
import { Client, RpcError } from './mcp.js';
import { everything } from './offers.js';
import { oneAtATime } from './polling.js';
import { Roots } from './roots.js';
import { Run } from './run.js';
import { keepOpen } from './streaming.js';

const CHANGED = /^notifications\/(tools|prompts|resources)\/list_changed$/;
/** What servers may ask of whoever sits here. */
const CAN = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };

/** Shows the part. */
export function tryOut(root, signal, { id }) {
  fill(root, loading('Asking the servers what they offer…'));
  let run = null;
  let catalogue = null;
  let tried = false;
  const told = new Set();
  const roots = new Roots(() => client.notify('notifications/roots/list_changed').catch(() => {}));
  const client = new Client(`/session/${id}/mcp`, CAN, (method, params) => {
    if (method === 'roots/list') return roots.answer();
    // A server asks while its tool runs, and of a model only what the page said it can be asked.
    if (!run) throw new RpcError({ code: -32603, message: 'nobody tries a tool here just now' });
    if (params.tools) throw new RpcError({ code: -32602, message: 'this client has no model that uses tools' });
    return run.ask(method, params);
  });
  const begin = (offer) => {
    run?.leave();
    run = new Run(client, offer, signal, () => (tried = true));
    return run;
  };
  const look = oneAtATime(async () => {
    const missing = {};
    try {
      const offers = await everything(client, signal, { told, missing });
      if (signal.aborted) return;
      catalogue ??= new Catalogue(root, roots.element, begin, look);
      catalogue.update(offers, missing);
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
      if (catalogue) catalogue.say(`The list could not be read again: ${error.message}`);
      else fill(root, trouble(inWords(error), look));
    } finally {
      // Between two lists another MCP session may have been opened for what nobody sees any more.
      if (document.hidden) rest();
    }
  });
  // Servers may hold something for an MCP session in which a tool was run; another one they do not miss.
  const rest = () => !tried && client.close();
  const hear = (message) => {
    const [, kind] = message.method.match(CHANGED) ?? [];
    if (kind) {
      told.add(kind);
      look();
    } else run?.hear(message);
  };
  // What changed before the stream was open is in the list that is read then.
  const follow = (until, opened) => client.listen({
    hear, signal: until,
    opened: () => {
      opened();
      look();
    },
  });
  keepOpen(follow, signal, (error) => {
    if (!catalogue) look();
    else catalogue.say(`Changes are not heard just now. ${error.heading ?? error.message} Trying again.`);
    return error.status === 404 || error.status === 401;
  });
  const close = () => client.close();
  signal.addEventListener('abort', close);
  addEventListener('pagehide', close, { signal });
  document.addEventListener('visibilitychange', () => document.hidden && rest(), { signal });
}

function inWords(error) {
  if (error.status !== 404) return error;
  const message = 'Only the session’s owner may use its tools: its credentials act for them alone.';
  return { heading: 'This is not yours to use.', message };
}
