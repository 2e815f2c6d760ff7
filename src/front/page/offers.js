// What a session offers: its tools, prompts, resources and templates, each with how to ask for it.

import { promptResult, resourceResult, toolResult } from './result.js';
import { schemaForm, switchableForm } from './schema_form.js';

/**
 * All that the session offers. `told` has the kinds of lists of which a change was announced: what no server had when
 * the MCP session began, one may have by now. `missing` is told which servers could not be asked.
 */
export async function everything(client, signal, { told, missing }) {
  const tools = await client.list('tools/list', 'tools', signal, missing);
  const has = (kind) => client.capabilities[kind] || told.has(kind);
  const prompts = has('prompts') ? await client.list('prompts/list', 'prompts', signal) : [];
  const resources = has('resources') ? await client.list('resources/list', 'resources', signal) : [];
  const templates = has('resources') ? await client.list('resources/templates/list', 'resourceTemplates', signal) : [];
  return [
    ...tools.map(tool), ...prompts.map(prompt), ...resources.map(resource), ...templates.map(template),
  ];
}

function tool(definition) {
  const { name, title, description, inputSchema, outputSchema, annotations = {} } = definition;
  const marks = [
    annotations.readOnlyHint && 'only reads', annotations.destructiveHint && 'may destroy', annotations.openWorldHint && 'reaches out',
  ].filter(Boolean);
  return {
    kind: 'Tool', verb: 'Run', name, title: title ?? annotations.title, description, marks, definition,
    schemas: [['Arguments', inputSchema], ['Result', outputSchema]].filter(([, schema]) => schema),
    form: () => switchableForm(inputSchema),
    method: 'tools/call', params: (value) => ({ name, arguments: value }), show: toolResult,
    careful: annotations.destructiveHint === true,
  };
}

function prompt(definition) {
  const { name, title, description, arguments: takes = [] } = definition;
  const properties = Object.fromEntries(takes.map((it) => [it.name, { type: 'string', title: it.title, description: it.description }]));
  const required = takes.filter((it) => it.required).map((it) => it.name);
  const schema = { type: 'object', properties, required, additionalProperties: false };
  return {
    kind: 'Prompt', verb: 'Get', name, title, description, marks: [], definition, schemas: [],
    form: () => schemaForm(schema),
    method: 'prompts/get', params: (value) => ({ name, arguments: value }), show: promptResult,
  };
}

function resource(definition) {
  const { uri, name, title, description, mimeType } = definition;
  return {
    kind: 'Resource', verb: 'Read', name: uri, title: title ?? name, description, marks: [mimeType].filter(Boolean),
    definition, schemas: [],
    form: () => schemaForm({ type: 'object', properties: {}, additionalProperties: false }),
    method: 'resources/read', params: () => ({ uri }), show: resourceResult,
  };
}

function template(definition) {
  const { uriTemplate, name, title, description } = definition;
  const named = [...uriTemplate.matchAll(/\{[+#./;?&]?([^}]+)\}/g)].flatMap(([, names]) => names.split(','));
  const holes = named.map((it) => it.replace(/[*:].*$/, ''));
  const properties = Object.fromEntries(holes.map((hole) => [hole, { type: 'string' }]));
  const schema = { type: 'object', properties, required: holes, additionalProperties: false };
  const uri = (value) => uriTemplate.replace(/\{([+#])?[./;?&]?([^}:*]+)[^}]*\}/g, (_, plain, names) =>
    names.split(',').map((it) => (plain ? value[it] ?? '' : encodeURIComponent(value[it] ?? ''))).join(','));
  return {
    kind: 'Resource', verb: 'Read', name: uriTemplate, title: title ?? name, description, marks: ['template'], definition, schemas: [],
    form: () => schemaForm(schema),
    method: 'resources/read', params: (value) => ({ uri: uri(value) }), show: resourceResult,
  };
}
