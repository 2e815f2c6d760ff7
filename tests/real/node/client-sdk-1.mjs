// A client made with the TypeScript SDK 1. Arguments: the MCP endpoint, and its `clientInfo.name`.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { ANSWERS, CAPABILITIES, callTool, commonSteps, perform } from './steps.mjs';

const [endpoint, name] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL(endpoint));
const client = new Client({ name, version: '1.0.0' }, { capabilities: CAPABILITIES });
for (const schema of [ElicitRequestSchema, CreateMessageRequestSchema, ListRootsRequestSchema]) {
  client.setRequestHandler(schema, ({ method }) => ANSWERS[method]);
}

await perform({
  ...commonSteps(client),

  async connect() {
    await client.connect(transport);
    return {
      revision: transport.protocolVersion,
      server: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
      mcpSession: transport.sessionId,
    };
  },

  async call(given) {
    const outcome = await callTool((params, options) => client.callTool(params, undefined, options), given);
    return { ...outcome, mcpSession: transport.sessionId };
  },

  setLevel: ({ level }) => client.setLoggingLevel(level),
  subscribe: ({ uri }) => client.subscribeResource({ uri }),
  // The SDK opened its stream when it connected.
  listen() {},
});
