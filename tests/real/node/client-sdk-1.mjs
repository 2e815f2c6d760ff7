// A client made with the TypeScript SDK 1. Arguments: the MCP endpoint, and its `clientInfo.name`.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { callTool, perform } from './steps.mjs';

const [endpoint, name] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL(endpoint));
const client = new Client({ name, version: '1.0.0' });

await perform({
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

  async list() {
    const tools = [];
    let cursor;
    do {
      const page = await client.listTools({ cursor });
      tools.push(...page.tools);
      cursor = page.nextCursor;
    } while (cursor);
    return { tools: tools.map((tool) => tool.name) };
  },

  async call(given) {
    const outcome = await callTool((params, options) => client.callTool(params, undefined, options), given);
    return { ...outcome, mcpSession: transport.sessionId };
  },

  async close({ terminate }) {
    if (terminate) await transport.terminateSession();
    await client.close();
  },
});
