// A server made with the TypeScript SDK 2 that speaks 2026-07-28 and nothing older. Argument: the port.

import { createServer } from 'node:http';
import { localhostHostValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

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

/** Modern servers keep nothing between requests: each gets a fresh instance. */
function instance() {
  const server = new McpServer(
    { name: 'modern', version: '1.0.0' },
    { instructions: 'Adds numbers.', capabilities: { tools: {} } },
  );
  server.registerTool(
    'add',
    {
      description: 'Adds two numbers',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: { readOnlyHint: true },
    },
    ({ a, b }) => ({ ...text(a + b), structuredContent: { sum: a + b } }),
  );
  server.registerTool(
    'weather',
    {
      description: 'Tells the weather of a region, which travels as a header too',
      inputSchema: z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }),
    },
    ({ region }) => text(`fine in ${region}`),
  );
  server.registerTool('fail', { description: 'Fails', inputSchema: z.object({}) }, () => {
    throw new Error('this tool always fails');
  });
  server.registerTool(
    'wait_until_cancelled',
    { description: 'Never ends by itself', inputSchema: z.object({}) },
    waitUntilCancelled,
  );
  server.registerTool(
    'cancelled_calls',
    { description: 'Counts the calls that were cancelled', inputSchema: z.object({}) },
    () => text(cancelledCalls),
  );
  return server;
}

const handle = toNodeHandler(createMcpHandler(instance, { legacy: 'reject' }));
const isLocal = localhostHostValidation();
createServer((request, response) => {
  if (isLocal(request, response)) handle(request, response);
}).listen(Number(process.argv[2]), '127.0.0.1');
