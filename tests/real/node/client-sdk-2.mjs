// A client made with the TypeScript SDK 2. Arguments: the MCP endpoint, its `clientInfo.name`, and the revision it
// insists on, or `auto` or `legacy`.

import { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { ANSWERS, CAPABILITIES, callTool, commonSteps, perform } from './steps.mjs';

const [endpoint, name, revision] = process.argv.slice(2);
const mode = ['auto', 'legacy'].includes(revision) ? revision : { pin: revision };
const transport = new StreamableHTTPClientTransport(new URL(endpoint));
const client = new Client({ name, version: '1.0.0' }, { capabilities: CAPABILITIES, versionNegotiation: { mode } });
for (const [method, answer] of Object.entries(ANSWERS)) client.setRequestHandler(method, () => answer);
const isModern = () => client.getProtocolEra() === 'modern';
/** The level of log messages that each call asks for. */
let meta;

await perform({
  ...commonSteps(client),

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

  async call(given) {
    const outcome = await callTool((params, options) => client.callTool(params, options), { ...given, meta });
    return { ...outcome, mcpSession: transport.sessionId };
  },

  async setLevel({ level }) {
    if (isModern()) meta = { [LOG_LEVEL_META_KEY]: level };
    else await client.setLoggingLevel(level);
  },

  async subscribe({ uri }) {
    if (!isModern()) return client.subscribeResource({ uri });
    const { honoredFilter } = await client.listen({ resourceSubscriptions: [uri] });
    return { honored: honoredFilter };
  },

  async listen() {
    // In the legacy era the SDK opened its stream when it connected.
    if (!isModern()) return {};
    const all = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
    return { honored: (await client.listen(all)).honoredFilter };
  },
});
