// The command that the official suite tests as a client: the gateway, in front of the suite's server, with an ordinary
// client that does whatever the server offers. Arguments: `legacy` or `modern`, and the server's URL. Environment:
// GATEWAY, the gateway's program; MCP_CONFORMANCE_CONTEXT, the calls that the scenario wants.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';

const [era, url] = process.argv.slice(2);
const { toolCalls = [] } = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const METHOD_NOT_FOUND = '-32601';
/** The suite does not end a command that is too slow; without an end it would wait for ever. */
const DEADLINE_MS = 100_000;
const SKILLS = 'io.modelcontextprotocol/skills';
const anything = z.looseObject({});
let failures = 0;

const folder = await mkdtemp(join(tmpdir(), 'conformance-'));
const gateway = await startGateway();
setTimeout(() => end(new Error('too slow')), DEADLINE_MS);
await useEverything(await connect(await createSession())).catch(end);
await end();

async function end(error) {
  if (error) fail(error);
  gateway.process.kill('SIGKILL');
  await rm(folder, { recursive: true });
  process.exit(failures > 0 ? 1 : 0);
}

async function startGateway() {
  const registry = { providers: { tested: { url, description: "The suite's server" } } };
  // JSON is YAML, too.
  await writeFile(join(folder, 'registry.yaml'), JSON.stringify(registry));
  const process_ = spawn(
    process.env.GATEWAY,
    [
      '--port', '0', '--registry', 'registry.yaml', '--database-url', 'sqlite://gateway.db?mode=rwc',
      // The machine may stand still.
      '--connect-timeout', '1m', '--handshake-timeout', '1m', '--initialize-deadline', '1m',
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for await (const said of process_.stdout.iterator({ destroyOnReturn: false })) {
    const [address] = String(said).match(/http:\/\/127\.0\.0\.1:\d+/) ?? [];
    if (address) return { process: process_, address };
  }
  throw new Error('the gateway ended at its start');
}

async function createSession() {
  const response = await fetch(`${gateway.address}/create-session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ servers: ['tested'], naming: 'none' }),
  });
  return new URL((await response.json()).mcp_endpoint, gateway.address);
}

async function connect(endpoint) {
  const capabilities = { roots: {}, sampling: {}, elicitation: { form: { applyDefaults: true } } };
  const mode = era === 'modern' ? { pin: '2026-07-28' } : era;
  const client = new Client({ name: 'acceptance', version: '1.0.0' }, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', ({ params }) => ({ action: 'accept', content: agree(params) }));
  await client.connect(new StreamableHTTPClientTransport(endpoint));
  return client;
}

/** Says yes where there is no default. */
function agree({ requestedSchema: { properties } }) {
  const open = Object.entries(properties).filter(([, property]) => property.default === undefined);
  return Object.fromEntries(open.map(([name]) => [name, true]));
}

async function useEverything(client) {
  const { extensions = {}, ...capabilities } = client.getServerCapabilities();
  // Without the client's own opinion of what the server can do.
  const list = (kind) => attempt(() => client.request({ method: `${kind}/list` }, anything));

  const tools = (await list('tools'))?.tools ?? [];
  if (capabilities.tools) await client.listTools();
  // At the same time, so that they could be mixed up.
  await Promise.all(callsOf(tools).map((call) => attempt(() => client.callTool(call))));
  if (capabilities.resources) {
    const { resources } = await client.listResources();
    for (const { uri } of resources) await attempt(() => client.readResource({ uri }));
  }
  if (capabilities.prompts) {
    const { prompts } = await client.listPrompts();
    for (const { name } of prompts) await attempt(() => client.getPrompt({ name }));
  }
  if (extensions[SKILLS]) await list('skills');
  await client.close();
}

/** The calls that the scenario wants; else one of each tool, and what asks for a schema gets the first tool's. */
function callsOf(tools) {
  if (toolCalls.length > 0) return toolCalls;
  const sample = (name, { type }) => {
    if (name === 'schema') return tools[0].inputSchema;
    return { number: 1, integer: 1, boolean: true, object: {}, array: [], null: null }[type] ?? 'sample';
  };
  return tools.map(({ name, inputSchema: { properties = {} } }) => ({
    name,
    arguments: Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, sample(key, schema)])),
  }));
}

/** Goes on after an error; of errors only a method that the server does not have is as it should be. */
async function attempt(step) {
  try {
    const result = await step();
    if (result.isError) throw new Error(JSON.stringify(result.content));
    return result;
  } catch (error) {
    // In the modern era the SDK has it in the message only.
    if (!`${error.code} ${error.message}`.includes(METHOD_NOT_FOUND)) fail(error);
    return undefined;
  }
}

function fail(error) {
  failures += 1;
  process.stderr.write(`${error.stack}\n`);
}
