// A client made with one of the TypeScript SDKs that logs in by OAuth. Arguments: the MCP endpoint, and the SDK's
// generation, 1 or 2. Of a browser it needs only that it follows one redirect.

import { commonSteps, perform } from './steps.mjs';

const [endpoint, generation] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport } =
  generation === '1'
    ? {
        ...(await import('@modelcontextprotocol/sdk/client/index.js')),
        ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
      }
    : await import('@modelcontextprotocol/client');

/** Keeps in memory what a login needs and brings. */
class Provider {
  redirectUrl = 'http://127.0.0.1:1/callback';
  clientMetadata = {
    client_name: 'acceptance',
    redirect_uris: [this.redirectUrl],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  clientInformation = () => this.client;
  saveClientInformation = (client) => void (this.client = client);
  tokens = () => this.saved;
  saveTokens = (tokens) => void (this.saved = tokens);
  redirectToAuthorization = (url) => void (this.sentTo = url);
  saveCodeVerifier = (verifier) => void (this.verifier = verifier);
  codeVerifier = () => this.verifier;
  discoveryState = () => this.discovered;
  saveDiscoveryState = (state) => void (this.discovered = state);
}

const provider = new Provider();
const transport = () => new StreamableHTTPClientTransport(new URL(endpoint), { authProvider: provider });
const client = new Client({ name: 'acceptance', version: '1.0.0' });

/** Does what a browser does whose user agrees, and gives what it comes back with. */
async function agree() {
  const response = await fetch(provider.sentTo, { redirect: 'manual' });
  return new URL(response.headers.get('location')).searchParams;
}

await perform({
  ...commonSteps(client),

  async connect() {
    const first = transport();
    let refused;
    try {
      await client.connect(first);
    } catch (error) {
      refused = error.constructor.name;
    }
    const back = await agree();
    await first.finishAuth(generation === '1' ? back.get('code') : back);
    await client.connect(transport());
    return {
      refused,
      resource: provider.sentTo.searchParams.get('resource'),
      authorizationServer: `${provider.sentTo.origin}`,
    };
  },

  async call({ tool, arguments: given }) {
    return { result: await client.callTool({ name: tool, arguments: given }), progress: [] };
  },
});
