// Speaks MCP with a session's endpoint, as any client does: Streamable HTTP of 2025-11-25.

import { Problem, headers, refusal } from './api.js';
import { events } from './events.js';

const REVISION = '2025-11-25';
const SESSION = 'mcp-session-id';
/** Where the gateway names the servers that a list lacks. */
const MISSING = 'mcp-gateway/missing';
/** How often a stream that broke off is gone on with before the request is given up. */
const RESUMED_MOST = 5;

/** What servers ask of clients. */
const ASKED = ['elicitation/create', 'sampling/createMessage', 'roots/list'];
/** What the gateway's own codes mean. */
const CODES = {
  '-31001': 'The server is out of reach.',
  '-31002': 'The server took too long.',
  '-31003': 'The session has too much to do.',
  '-31004': 'The gateway is stopping.',
};

/** A JSON-RPC error: of a server, or of the gateway. */
export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.heading = `${CODES[code] ?? 'The request failed.'} (Code ${code})`;
    this.code = code;
    this.data = data;
  }
}

/** One client of one session. */
export class Client {
  #id = 0;
  /** The MCP session, or what will be it. */
  #opening = null;
  /** Which event was the last one heard, and in which MCP session. */
  #heard = {};

  /** `path` is the endpoint's. `answer` is asked what a server asks, a method and its parameters, of those that `can` names. */
  constructor(path, can, answer) {
    this.path = path;
    this.can = can;
    this.answer = answer;
    this.capabilities = {};
  }

  /** Makes a request. `hear` is told of progress and log messages until the result comes, or its error is thrown. */
  async request(method, params = {}, { hear = () => {}, signal } = {}) {
    return this.#within((mcpSession) => this.#exchange(mcpSession, method, params, hear, signal));
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

  /**
   * Has `hear` told what comes without having been asked for, until that ends. `opened` is called once nothing is missed;
   * a stream that ended before goes on where it was.
   */
  async listen({ hear, opened, signal }) {
    const stream = async (mcpSession) => {
      const last = this.#heard.mcpSession === mcpSession ? this.#heard.last : null;
      const response = await this.#get(mcpSession, last ? { 'last-event-id': last } : {}, signal);
      this.#heard = { mcpSession, last };
      return { mcpSession, response };
    };
    const { mcpSession, response } = await this.#within(stream);
    opened();
    for await (const event of events(response.body, signal)) {
      this.#heard.last = event.id ?? this.#heard.last;
      if (event.data) this.#hear(mcpSession, JSON.parse(event.data), hear);
    }
  }

  /** Tells the servers something. */
  async notify(method) {
    await this.#within((mcpSession) => this.#send(mcpSession, { jsonrpc: '2.0', method }));
  }

  /** Ends the MCP session; the next request makes another. The page may be closing: what ends it outlives the page. */
  close() {
    const opening = this.#opening;
    this.#opening = null;
    const known = this.#headers(null);
    const end = ({ mcpSession }) =>
      mcpSession && fetch(this.path, { method: 'DELETE', headers: { ...known, [SESSION]: mcpSession }, keepalive: true });
    // One that is only being made is ended, too. What cannot be told is found out by the gateway in time.
    opening?.then(end).catch(() => {});
  }

  /** Does something in the MCP session; in another one where the gateway, or whoever started it again, does not know it. */
  async #within(work) {
    const opening = this.#open();
    const { mcpSession } = await opening;
    try {
      return await work(mcpSession);
    } catch (error) {
      if (error.status !== 404 || !mcpSession) throw error;
      if (this.#opening === opening) this.#opening = null;
      return work((await this.#open()).mcpSession);
    }
  }

  #open() {
    if (!this.#opening) {
      const opening = this.#initialize();
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = null;
      });
    }
    return this.#opening;
  }

  async #initialize() {
    const id = (this.#id += 1);
    const params = {
      protocolVersion: REVISION,
      capabilities: this.can,
      clientInfo: { name: 'mcp-gateway-page', title: 'The gateway’s page', version: '1' },
    };
    const response = await this.#post(null, { jsonrpc: '2.0', id, method: 'initialize', params });
    const said = await this.#read(null, response, id, () => {});
    if (said.error) throw new RpcError(said.error);
    this.capabilities = said.result.capabilities ?? {};
    const mcpSession = response.headers.get(SESSION);
    await this.#send(mcpSession, { jsonrpc: '2.0', method: 'notifications/initialized' });
    const level = () => this.#exchange(mcpSession, 'logging/setLevel', { level: 'debug' }, () => {});
    if (this.capabilities.logging) await level().catch(() => {});
    return { mcpSession };
  }

  #headers(mcpSession, more = {}) {
    const sent = headers({ accept: 'application/json, text/event-stream', ...more });
    return mcpSession ? { ...sent, [SESSION]: mcpSession, 'mcp-protocol-version': REVISION } : sent;
  }

  async #fetch(request) {
    try {
      return await fetch(this.path, { cache: 'no-store', ...request });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem('The gateway does not answer.', 'Is it still running? Start it again, then try again here.');
    }
  }

  #post(mcpSession, message, signal) {
    const type = { 'content-type': 'application/json' };
    return this.#fetch({ method: 'POST', body: JSON.stringify(message), signal, headers: this.#headers(mcpSession, type) });
  }

  async #get(mcpSession, more, signal) {
    const response = await this.#fetch({ headers: this.#headers(mcpSession, more), signal });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** Sends what wants no answer. */
  async #send(mcpSession, message) {
    const response = await this.#post(mcpSession, message);
    if (!response.ok) throw await refusal(response);
  }

  async #exchange(mcpSession, method, params, hear, signal) {
    const id = (this.#id += 1);
    const message = { jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...params._meta, progressToken: id } } };
    const takeBack = () => {
      const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'Stopped on the page' } };
      this.#send(mcpSession, cancelled).catch(() => {});
    };
    signal?.addEventListener('abort', takeBack, { once: true });
    try {
      const response = await this.#post(mcpSession, message, signal);
      const answer = await this.#read(mcpSession, response, id, hear, signal);
      if (answer.error) throw new RpcError(answer.error);
      return answer.result;
    } finally {
      signal?.removeEventListener('abort', takeBack);
    }
  }

  async #read(mcpSession, response, id, hear, signal) {
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream')) return this.#follow(mcpSession, response, id, hear, signal);
    if (!response.ok) {
      // A JSON-RPC error says more than its status.
      const said = type.startsWith('application/json') && (await response.clone().json().catch(() => null));
      if (said?.error && said.id === id) return said;
      throw await refusal(response);
    }
    return response.json();
  }

  /** Reads a stream until the answer, and goes on with it where it breaks off before that. */
  async #follow(mcpSession, first, id, hear, signal) {
    let response = first;
    let last = null;
    for (let resumed = 0; resumed <= RESUMED_MOST; resumed += 1) {
      for await (const event of events(response.body, signal)) {
        last = event.id ?? last;
        if (!event.data) continue;
        const message = JSON.parse(event.data);
        if (message.method === undefined && message.id === id) return message;
        if (message.method !== undefined) this.#hear(mcpSession, message, hear);
      }
      if (last === null) break;
      // Whatever the gateway says to that, the request was taken: it must not be sent once more for it.
      response = await this.#get(mcpSession, { 'last-event-id': last }, signal).catch((error) => {
        if (error.name === 'AbortError') throw error;
        return null;
      });
      if (!response) break;
    }
    throw new Problem('The answer broke off.', 'The connection with the gateway ended before the result came. Try again.');
  }

  #hear(mcpSession, message, hear) {
    if (message.id === undefined) hear(message);
    else this.#reply(mcpSession, message, hear);
  }

  /** Answers a question of a server. */
  async #reply(mcpSession, { id, method, params }, hear) {
    let reply;
    try {
      reply = { result: await this.#answerTo(method, params) };
    } catch (error) {
      reply = { error: { code: error.code ?? -32603, message: error.message } };
    }
    const lost = ({ message }) => hear({ method: 'page/unanswered', params: { message } });
    await this.#send(mcpSession, { jsonrpc: '2.0', id, ...reply }).catch(lost);
  }

  #answerTo(method, params = {}) {
    if (method === 'ping') return {};
    if (ASKED.includes(method)) return this.answer(method, params);
    throw new RpcError({ code: -32601, message: `this client does not do ${method}` });
  }
}
