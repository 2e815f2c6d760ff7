// Speaks MCP with a session's endpoint, as any client does: Streamable HTTP of 2025-11-25.

import { Problem, headers, refusal } from './api.js';
import { events } from './events.js';

const REVISION = '2025-11-25';
/** Where the gateway names the servers that a list lacks. */
const MISSING = 'mcp-gateway/missing';
/** How often a stream that broke off is gone on with before the request is given up. */
const RESUMED_MOST = 5;

/** A JSON-RPC error: of a server, or of the gateway. */
export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.heading = `The request failed (code ${code}).`;
    this.code = code;
    this.data = data;
  }
}

/** One client of one session. */
export class Client {
  #id = 0;
  #mcpSession = null;
  #opening = null;

  /** `path` is the endpoint's; `answer` is asked what a server asks of whoever sits here. */
  constructor(path, answer) {
    this.path = path;
    this.answer = answer;
    this.capabilities = {};
  }

  /** Makes a request. `hear` is told of progress and log messages until the result comes, or its error is thrown. */
  async request(method, params = {}, { hear = () => {}, signal } = {}) {
    await this.#open();
    try {
      return await this.#exchange(method, params, hear, signal);
    } catch (error) {
      // The gateway, or whoever started it again, does not know us any more.
      if (error.status !== 404 || !this.#mcpSession) throw error;
      this.#mcpSession = null;
      this.#opening = null;
      await this.#open();
      return this.#exchange(method, params, hear, signal);
    }
  }

  /** All entries of a list, page after page. `missing` is told which servers it lacks, and why. */
  async list(method, member, signal, missing = {}) {
    const entries = [];
    let cursor;
    do {
      const page = await this.request(method, cursor === undefined ? {} : { cursor }, { signal });
      entries.push(...(page[member] ?? []));
      Object.assign(missing, page._meta?.[MISSING]);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return entries;
  }

  /** Ends the MCP session. The page may be closing: the request outlives it. */
  close() {
    if (!this.#mcpSession) return;
    fetch(this.path, { method: 'DELETE', headers: this.#headers(), keepalive: true }).catch(() => {});
    this.#mcpSession = null;
    this.#opening = null;
  }

  #open() {
    this.#opening ??= this.#initialize().catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  async #initialize() {
    const said = await this.#exchange('initialize', {
      protocolVersion: REVISION,
      capabilities: { elicitation: { form: {}, url: {} } },
      clientInfo: { name: 'mcp-gateway-page', title: 'The gateway’s page', version: '1' },
    }, () => {});
    this.capabilities = said.capabilities ?? {};
    this.instructions = said.instructions;
    await this.#send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    if (this.capabilities.logging) await this.#exchange('logging/setLevel', { level: 'debug' }, () => {}).catch(() => {});
  }

  #headers(more = {}) {
    const sent = headers({ accept: 'application/json, text/event-stream', ...more });
    if (this.#mcpSession) {
      sent['mcp-session-id'] = this.#mcpSession;
      sent['mcp-protocol-version'] = REVISION;
    }
    return sent;
  }

  async #post(message, signal) {
    let response;
    try {
      response = await fetch(this.path, {
        method: 'POST', body: JSON.stringify(message), signal, cache: 'no-store',
        headers: this.#headers({ 'content-type': 'application/json' }),
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem('The gateway does not answer.', 'Is it still running? Start it again, then try again here.');
    }
    return response;
  }

  /** Sends what wants no answer. */
  async #send(message) {
    const response = await this.#post(message);
    if (!response.ok) throw await refusal(response);
  }

  async #exchange(method, params, hear, signal) {
    const id = (this.#id += 1);
    const meta = { ...params._meta, progressToken: id };
    const message = { jsonrpc: '2.0', id, method, params: method === 'initialize' ? params : { ...params, _meta: meta } };
    const takeBack = () => {
      const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'Stopped on the page' } };
      this.#send(cancelled).catch(() => {});
    };
    signal?.addEventListener('abort', takeBack, { once: true });
    try {
      const response = await this.#post(message, signal);
      if (method === 'initialize') this.#mcpSession = response.headers.get('mcp-session-id');
      const answer = await this.#read(response, id, hear, signal);
      if (answer.error) throw new RpcError(answer.error);
      return answer.result;
    } finally {
      signal?.removeEventListener('abort', takeBack);
    }
  }

  async #read(response, id, hear, signal) {
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream')) return this.#follow(response, id, hear, signal);
    if (!response.ok) {
      // A JSON-RPC error says more than its status.
      const said = type.startsWith('application/json') && (await response.clone().json().catch(() => null));
      if (said?.error && said.id === id) return said;
      throw await refusal(response);
    }
    return response.json();
  }

  /** Reads a stream until the answer, and goes on with it where it breaks off before that. */
  async #follow(first, id, hear, signal) {
    let response = first;
    let last = null;
    for (let resumed = 0; resumed <= RESUMED_MOST; resumed += 1) {
      for await (const event of events(response.body, signal)) {
        last = event.id ?? last;
        if (!event.data) continue;
        const message = JSON.parse(event.data);
        if (message.method === undefined && message.id === id) return message;
        if (message.method !== undefined) this.#hear(message, hear);
      }
      if (last === null) break;
      response = await fetch(this.path, { headers: this.#headers({ 'last-event-id': last }), signal });
      if (!response.ok) throw await refusal(response);
    }
    throw new Problem('The answer broke off.', 'The connection with the gateway ended before the result came. Try again.');
  }

  #hear(message, hear) {
    if (message.id === undefined) hear(message);
    else this.#reply(message, hear);
  }

  /** Answers a question of a server. */
  async #reply({ id, method, params }, hear) {
    let reply;
    try {
      reply = { result: await this.#answerTo(method, params, hear) };
    } catch (error) {
      reply = { error: { code: error.code ?? -32603, message: error.message } };
    }
    const lost = ({ message }) => hear({ method: 'page/unanswered', params: { message } });
    await this.#send({ jsonrpc: '2.0', id, ...reply }).catch(lost);
  }

  #answerTo(method, params, hear) {
    if (method === 'ping') return {};
    if (method === 'elicitation/create') return this.answer(params, hear);
    throw new RpcError({ code: -32601, message: `this client does not do ${method}` });
  }
}
