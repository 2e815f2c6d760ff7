// The reference server's resources, prompts and skills.

import { completable, inputRequired, ResourceTemplate } from '@modelcontextprotocol/server';
import { memorySkillFiles, SkillsExtension } from '@modelcontextprotocol/server/ext/skills';
import { z } from 'zod';
import { form, image, text } from './reference-tools.mjs';

const STATIC = {
  'test://static-text': { mimeType: 'text/plain', text: 'A static text.' },
  'test://static-binary': { mimeType: 'image/png', blob: image.data },
  'test://watched-resource': { mimeType: 'text/plain', text: 'A resource to subscribe to.' },
};

export const skills = await SkillsExtension.load(
  memorySkillFiles({
    'weather/SKILL.md': '---\nname: weather\ndescription: Tells what to wear\n---\n\nLook outside.\n',
    'weather/references/rain.md': 'Take an umbrella.\n',
    'travel/SKILL.md': '---\nname: travel\ndescription: Plans a journey\n---\n\nTake the train.\n',
    'travel/references/night.md': 'There are night trains, too.\n',
  }),
  { pageSize: 1, cacheHint: { ttlMs: 60_000, cacheScope: 'public' } },
);

export function addResources(server, era) {
  for (const [uri, content] of Object.entries(STATIC)) {
    const about = { description: `The scenario's ${uri}.`, mimeType: content.mimeType };
    server.registerResource(uri.slice('test://'.length), uri, about, () => ({ contents: [{ uri, ...content }] }));
  }
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'One document for each id.', mimeType: 'application/json' },
    (uri, { id }) => ({ contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id }) }] }),
  );
  if (era === 'legacy') {
    server.server.setRequestHandler('resources/subscribe', () => ({}));
    server.server.setRequestHandler('resources/unsubscribe', () => ({}));
  }
}

const said = (...contents) => ({ messages: contents.map((content) => ({ role: 'user', content })) });

export function addPrompts(server) {
  const add = (name, argsSchema, get) =>
    server.registerPrompt(name, { description: `The scenario's ${name}.`, argsSchema }, get);

  add('test_simple_prompt', undefined, () => said(text('A simple prompt.')));
  add('test_prompt_with_image', undefined, () => said(image, text('What do you see?')));
  add(
    'test_prompt_with_arguments',
    z.object({ arg1: completable(z.string(), (begun) => [`${begun}1`, `${begun}2`]), arg2: z.string() }),
    ({ arg1, arg2 }) => said(text(`First ${arg1}, then ${arg2}.`)),
  );
  add('test_prompt_with_embedded_resource', z.object({ resourceUri: z.string() }), ({ resourceUri }) =>
    said({ type: 'resource', resource: { uri: resourceUri, mimeType: 'text/plain', text: 'An embedded text.' } }),
  );
  add('test_input_required_result_prompt', undefined, ({ mcpReq }) => {
    const given = mcpReq.inputResponses?.user_context;
    if (given) return said(text(`In the context of ${given.content?.context}.`));
    return inputRequired({ inputRequests: { user_context: form('In which context?', { context: { type: 'string' } }) } });
  });
}
