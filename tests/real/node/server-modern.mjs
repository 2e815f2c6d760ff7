// A server made with the TypeScript SDK 2 that speaks 2026-07-28 and nothing older. Argument: the port.

import { createServer } from 'node:http';
import { localhostHostValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { completable, createMcpHandler, inputRequired, McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { z } from 'zod';

const PEOPLE = ['Ada', 'Alan', 'Grace'];
const WATCHED = 'note://watched';

let cancelledCalls = 0;

const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });

/** Reports progress once, then answers only when the client gives the call up. */
function waitUntilCancelled(_given, { mcpReq }) {
  return new Promise((resolve) => {
    mcpReq.signal.addEventListener('abort', () => {
      cancelledCalls += 1;
      resolve(text('cancelled'));
    });
    const { progressToken } = mcpReq._meta ?? {};
    mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
  });
}

async function work(_given, { mcpReq }) {
  const { progressToken } = mcpReq._meta ?? {};
  for (const progress of progressToken === undefined ? [] : [1, 2, 3]) {
    await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
  }
  return text('done');
}

async function log(_given, { mcpReq }) {
  await mcpReq.log('debug', 'quiet');
  await mcpReq.log('warning', 'loud');
  return text('logged');
}

/** A tool that needs an answer of the client and tells it. */
const asking =
  (request, tell) =>
  (_given, { mcpReq }) => {
    const answer = mcpReq.inputResponses?.answer;
    return answer ? text(tell(answer)) : inputRequired({ inputRequests: { answer: request } });
  };

const name = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const ASKING = {
  ask: asking(
    { method: 'elicitation/create', params: { mode: 'form', message: 'Who are you?', requestedSchema: name } },
    ({ action, content }) => `${action} ${content?.name}`,
  ),
  sample: asking(
    inputRequired.createMessage({
      messages: [{ role: 'user', content: { type: 'text', text: 'The capital of France?' } }],
      maxTokens: 10,
    }),
    ({ content }) => content.text,
  ),
  roots: asking(inputRequired.listRoots(), ({ roots }) => roots.map(({ uri }) => uri).join()),
};

/** Modern servers keep nothing between requests: each gets a fresh instance. */
function instance() {
  const server = new McpServer(
    { name: 'modern', version: '1.0.0' },
    {
      instructions: 'Adds numbers.',
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        logging: {},
        completions: {},
      },
    },
  );
  const add = (name, description, run, inputSchema = z.object({}), more = {}) =>
    server.registerTool(name, { description, inputSchema, ...more }, run);

  add(
    'add',
    'Adds two numbers',
    ({ a, b }) => ({ ...text(a + b), structuredContent: { sum: a + b } }),
    z.object({ a: z.number(), b: z.number() }),
    { outputSchema: z.object({ sum: z.number() }), annotations: { readOnlyHint: true } },
  );
  add(
    'weather',
    'Tells the weather of a region, which travels as a header too',
    ({ region }) => text(`fine in ${region}`),
    z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }),
  );
  add('fail', 'Fails', () => {
    throw new Error('this tool always fails');
  });
  add('wait_until_cancelled', 'Never ends by itself', waitUntilCancelled);
  add('cancelled_calls', 'Counts the calls that were cancelled', () => text(cancelledCalls));
  add('work', 'Reports progress three times', work);
  add('log', 'Logs a message of debug and one of warning', log);
  for (const [name, ask] of Object.entries(ASKING)) add(name, 'Asks the client, and tells what it answered', ask);
  add('touch', 'Announces a change of the watched resource', () => {
    handler.notify.resourceUpdated(WATCHED);
    return text('touched');
  });
  add('change', 'Announces a change of every list', () => {
    handler.notify.toolsChanged();
    handler.notify.promptsChanged();
    handler.notify.resourcesChanged();
    return text('changed');
  });
  addPromptsAndResources(server);
  return server;
}

function addPromptsAndResources(server) {
  const begins = (begun) => PEOPLE.filter((person) => person.startsWith(begun));
  server.registerPrompt(
    'greet',
    { description: 'Greets somebody', argsSchema: z.object({ name: completable(z.string(), begins) }) },
    ({ name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Say hello to ${name}.` } }] }),
  );
  const note = (uri, value) => ({ contents: [{ uri: String(uri), mimeType: 'text/plain', text: value }] });
  const about = { description: 'A note', mimeType: 'text/plain' };
  server.registerResource('welcome', 'note://welcome', about, (uri) => note(uri, 'Welcome.'));
  server.registerResource('watched', WATCHED, about, (uri) => note(uri, 'Look here.'));
  const template = new ResourceTemplate('note://about/{topic}', { list: undefined });
  server.registerResource('about', template, about, (uri, { topic }) => note(uri, `All about ${topic}.`));
}

const handler = createMcpHandler(instance, { legacy: 'reject' });
const handle = toNodeHandler(handler);
const isLocal = localhostHostValidation();
createServer((request, response) => {
  if (isLocal(request, response)) handle(request, response);
}).listen(Number(process.argv[2]), '127.0.0.1');
