// A client made with the TypeScript SDK 2. Arguments: the MCP endpoint, its `clientInfo.name`, and the revision it
// insists on, or `auto` or `legacy`.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callTool, perform } from './steps.mjs';

const [endpoint, name, revision] = process.argv.slice(2);
const mode = ['auto', 'legacy'].includes(revision) ? revision : { pin: revision };
const transport = new StreamableHTTPClientTransport(new URL(endpoint));
const client = new Client({ name, version: '1.0.0' }, { versionNegotiation: { mode } });

await perform({
  async connect() {
    await client.connect(transport);
    return {
      revision: client.getNegotiatedProtocolVersion(),
      server: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
      mcpSession: transport.sessionId,
    };
  },

  async list() {
    const { tools } = await client.listTools();
    return { tools: tools.map((tool) => tool.name) };
  },

  async call(given) {
    const outcome = await callTool((params, options) => client.callTool(params, options), given);
    return { ...outcome, mcpSession: transport.sessionId };
  },

  async close({ terminate }) {
    if (terminate) await transport.terminateSession();
    await client.close();
  },
});
