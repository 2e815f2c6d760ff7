// The reference server: everything that the scenarios of the official suite look for, in both eras, made with the
// TypeScript SDK 2. Argument: the port.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import {
  localhostHostValidation,
  localhostOriginValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
  toWebRequest,
} from '@modelcontextprotocol/node';
import { createMcpHandler, createRequestStateCodec, isLegacyRequest, McpServer } from '@modelcontextprotocol/server';
import { EventLog } from './reference-events.mjs';
import { addPrompts, addResources, skills } from './reference-resources.mjs';
import { addTasks, gateTasks, TASKS } from './reference-tasks.mjs';
import { addTools } from './reference-tools.mjs';

/** How long a client is asked to wait before it comes back for the rest of a stream. */
const RETRY_MS = 100;

const state = createRequestStateCodec({ key: randomUUID() });
const modern = createMcpHandler(({ era }) => instance(era), { legacy: 'reject' });
const serveModern = toNodeHandler(modern);
const mcpSessions = new Map();

/** Tells clients of both eras. */
const notify = {
  toolsChanged() {
    modern.notify.toolsChanged();
    for (const { server } of mcpSessions.values()) server.sendToolListChanged();
  },
  promptsChanged() {
    modern.notify.promptsChanged();
    for (const { server } of mcpSessions.values()) server.sendPromptListChanged();
  },
};

function instance(era) {
  const server = new McpServer(
    { name: 'reference', version: '1.0.0' },
    {
      capabilities: {
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        logging: {},
        completions: {},
        ...(era === 'modern' && { extensions: { [TASKS]: {} } }),
      },
      instructions: 'Has one of everything.',
      requestState: { verify: state.verify },
      cacheHints: {
        'tools/list': { ttlMs: 60_000, cacheScope: 'public' },
        'resources/read': { ttlMs: 1_000, cacheScope: 'private' },
      },
    },
  );
  // Before the first tool: with that come the handlers of the tools' methods.
  gateTasks(server);
  addTools(server, { mint: state.mint, notify });
  addTasks(server, era);
  addPrompts(server);
  addResources(server, era);
  skills.attach(server);
  return server;
}

async function serveLegacy(request, response, body) {
  const id = request.headers['mcp-session-id'];
  if (id && !mcpSessions.has(id)) return refuse(response, 404, 'no such MCP session');
  if (!id && body?.method !== 'initialize') return refuse(response, 400, 'no MCP session');
  const transport = mcpSessions.get(id)?.transport ?? (await openMcpSession());
  await transport.handleRequest(request, response, body);
}

async function openMcpSession() {
  const server = instance('legacy');
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new EventLog(),
    retryInterval: RETRY_MS,
    onsessioninitialized: (id) => void mcpSessions.set(id, { server, transport }),
    onsessionclosed: (id) => void mcpSessions.delete(id),
  });
  await server.connect(transport);
  return transport;
}

function refuse(response, status, message) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32600, message } }));
}

const guards = [localhostHostValidation(), localhostOriginValidation()];
createServer(async (request, response) => {
  if (!guards.every((guard) => guard(request, response))) return;
  const asked = await toWebRequest(request);
  const legacy = await isLegacyRequest(asked);
  const body = request.method === 'POST' ? await asked.json() : undefined;
  await (legacy ? serveLegacy : serveModern)(request, response, body);
}).listen(Number(process.argv[2]), '127.0.0.1');
