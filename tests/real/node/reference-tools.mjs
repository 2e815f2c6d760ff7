// The reference server's tools. Their names, arguments and what they ask for are fixed by the scenarios.

import { setTimeout as pause } from 'node:timers/promises';
import { CLIENT_CAPABILITIES_META_KEY, fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';

const PAUSE_MS = 20;
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const SILENCE = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

export const text = (value) => ({ type: 'text', text: value });
export const image = { type: 'image', data: PIXEL, mimeType: 'image/png' };
export const object = (properties = {}, required = Object.keys(properties), more = {}) =>
  fromJsonSchema({ type: 'object', properties, required, ...more });
export const answer = (value) => ({ content: [text(value)] });
export const form = (message, properties, required = Object.keys(properties)) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties, required } },
});

const embedded = (uri, mimeType, value) => ({ type: 'resource', resource: { uri, mimeType, text: value } });
const sampling = (prompt) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 },
});
const roots = { method: 'roots/list' };

/** Tools that answer at once, and always the same. */
const CONTENTS = {
  test_simple_text: [text('A simple text.')],
  test_image_content: [image],
  test_audio_content: [{ type: 'audio', data: SILENCE, mimeType: 'audio/wav' }],
  test_embedded_resource: [embedded('test://embedded-resource', 'text/plain', 'An embedded text.')],
  test_multiple_content_types: [
    text('Three kinds of content:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"kind":"mixed"}'),
  ],
};

/** Every keyword of JSON Schema 2020-12 that must arrive as it was sent. */
const RICH_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const DEFAULTS = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
};

const OPTIONS = ['option1', 'option2', 'option3'];
const titled = (noun) => ['First', 'Second', 'Third'].map((nth, n) => ({ const: `value${n + 1}`, title: `${nth} ${noun}` }));
const ENUMS = {
  untitledSingle: { type: 'string', enum: OPTIONS },
  titledSingle: { type: 'string', oneOf: titled('option') },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
  titledMulti: { type: 'array', items: { anyOf: titled('choice') } },
};

const STRING = { type: 'string' };
const nameForm = form('What is your name?', { name: STRING });
const confirmForm = form('Do you agree?', { ok: { type: 'boolean' } });

/** Tools that ask the client for all of `requests` and then answer; with `keeps` they hand out a state meanwhile. */
const ASKING = {
  test_elicitation: {
    properties: { message: STRING },
    requests: ({ message }) => ({ user: form(message, { username: STRING, email: STRING }) }),
  },
  test_sampling: { properties: { prompt: STRING }, requests: ({ prompt }) => ({ model: sampling(prompt) }) },
  test_elicitation_sep1034_defaults: { requests: () => ({ user: form('Anything to correct?', DEFAULTS, []) }) },
  test_elicitation_sep1330_enums: { requests: () => ({ user: form('What do you choose?', ENUMS, []) }) },
  test_missing_capability: { requests: () => ({ model: sampling('Are you there?') }) },
  test_input_required_result_elicitation: { requests: () => ({ user_name: nameForm }) },
  test_input_required_result_sampling: { requests: () => ({ capital_question: sampling('The capital of France?') }) },
  test_input_required_result_list_roots: { requests: () => ({ client_roots: roots }) },
  test_input_required_result_request_state: { keeps: true, requests: () => ({ confirm: confirmForm }) },
  test_input_required_result_tampered_state: { keeps: true, requests: () => ({ confirm: confirmForm }) },
  test_input_required_result_multiple_inputs: {
    keeps: true,
    requests: () => ({ user_name: nameForm, greeting: sampling('Greet somebody.'), client_roots: roots }),
  },
  test_input_required_result_capabilities: {
    keeps: true,
    requests: (_given, { mcpReq }) => {
      const can = mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? { sampling: {} };
      return { ...(can.elicitation && { user: nameForm }), ...(can.sampling && { model: sampling('A word?') }) };
    },
  },
};

export function addTools(server, { mint, notify }) {
  const add = (name, run, inputSchema = object()) =>
    server.registerTool(name, { description: `The scenario's ${name}.`, inputSchema }, run);

  for (const [name, content] of Object.entries(CONTENTS)) add(name, () => ({ content }));
  for (const [name, tool] of Object.entries(ASKING)) add(name, ask(tool, mint), object(tool.properties));

  add('json_schema_2020_12_tool', () => answer('A rich schema.'), fromJsonSchema(RICH_SCHEMA));
  add(
    'test_header_parameter',
    ({ region }) => answer(`In ${region}.`),
    object({ region: { type: 'string', 'x-mcp-header': 'Region' } }),
  );
  add('test_error_handling', () => {
    throw new Error('This tool fails on purpose.');
  });
  add('test_tool_with_progress', reportProgress);
  add('test_streaming_elicitation', reportProgress);
  add('test_tool_with_logging', log);
  add('test_logging_tool', log);
  add('test_reconnection', reconnect);
  add('test_input_required_result_multi_round', twoRounds(mint));
  add('test_trigger_tool_change', () => {
    notify.toolsChanged();
    return answer('Changed.');
  });
  add('test_trigger_prompt_change', () => {
    notify.promptsChanged();
    return answer('Changed.');
  });
}

const ask =
  ({ requests, keeps }, mint) =>
  async (given, context) => {
    const inputRequests = requests(given, context);
    const { inputResponses = {} } = context.mcpReq;
    if (Object.keys(inputRequests).every((key) => key in inputResponses)) {
      return answer(`You answered: ${JSON.stringify(inputResponses)}`);
    }
    return inputRequired({ inputRequests, ...(keeps && { requestState: await mint({ asked: true }) }) });
  };

const twoRounds = (mint) => async (_given, { mcpReq }) => {
  const { step1, step2 } = mcpReq.inputResponses ?? {};
  const name = step1?.content?.name ?? mcpReq.requestState()?.name;
  if (!name) {
    const step = form('Step 1: What is your name?', { name: STRING });
    return inputRequired({ inputRequests: { step1: step }, requestState: await mint({ round: 1 }) });
  }
  if (!step2) {
    const step = form('Step 2: What is your favourite colour?', { color: STRING });
    return inputRequired({ inputRequests: { step2: step }, requestState: await mint({ round: 2, name }) });
  }
  return answer(`${name} likes ${step2.content?.color}.`);
};

async function reportProgress(_given, { mcpReq }) {
  const { progressToken } = mcpReq._meta ?? {};
  for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
    await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    await pause(PAUSE_MS);
  }
  return answer('Done.');
}

async function log(_given, { mcpReq }) {
  for (const stage of ['begun', 'at work', 'done']) {
    await mcpReq.log('info', stage);
    await pause(PAUSE_MS);
  }
  return answer('Logged.');
}

/** Says something, ends the stream of its call, then answers: the client has to come back for that. */
async function reconnect(_given, { mcpReq, http }) {
  await mcpReq.log('info', 'Back in a moment.');
  http.closeSSE?.();
  await pause(PAUSE_MS);
  return answer('You came back.');
}
