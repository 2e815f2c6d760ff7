// How a test drives a client: one step a line on stdin, one line of JSON about it on stdout. What the clients have in
// common stands here, so that each says only how its SDK is called.

import { createInterface } from 'node:readline';

/** What a client declares that it can do. */
export const CAPABILITIES = { elicitation: {}, sampling: {}, roots: { listChanged: true } };

/** What a client answers to every question of a server. */
export const ANSWERS = {
  'elicitation/create': { action: 'accept', content: { name: 'Ada' } },
  'sampling/createMessage': { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'a-model' },
  'roots/list': { roots: [{ uri: 'file:///work', name: 'work' }] },
};

/** Performs each step that stdin names with the function of that name, until stdin ends. */
export async function perform(steps) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { step, ...given } = JSON.parse(line);
    let seen;
    try {
      seen = { ok: (await steps[step](given)) ?? {} };
    } catch (error) {
      const { name, code, message, data } = error;
      seen = { error: { name, code, message, data } };
    }
    process.stdout.write(`${JSON.stringify(seen)}\n`);
  }
  process.exit(0);
}

/** The steps that both SDKs perform by the same methods of their client. */
export function commonSteps(client) {
  const hearing = new Hearing();
  client.fallbackNotificationHandler = async (notification) => hearing.note(notification);
  return {
    async list() {
      return { tools: (await pages((page) => client.listTools(page), 'tools')).map(({ name }) => name) };
    },
    async prompts() {
      return { prompts: (await pages((page) => client.listPrompts(page), 'prompts')).map(({ name }) => name) };
    },
    prompt: ({ name, arguments: given }) => client.getPrompt({ name, arguments: given }),
    async resources() {
      const resources = await pages((page) => client.listResources(page), 'resources');
      const templates = await pages((page) => client.listResourceTemplates(page), 'resourceTemplates');
      return {
        resources: resources.map(({ uri }) => uri),
        templates: templates.map(({ uriTemplate }) => uriTemplate),
      };
    },
    read: ({ uri }) => client.readResource({ uri }),
    async complete({ prompt, argument, begun }) {
      const asked = { ref: { type: 'ref/prompt', name: prompt }, argument: { name: argument, value: begun } };
      return { values: (await client.complete(asked)).completion.values };
    },
    heard: async ({ method }) => ({ params: await hearing.next(method) }),
  };
}

async function pages(list, kind) {
  const all = [];
  let cursor;
  do {
    const page = await list({ cursor });
    all.push(...page[kind]);
    cursor = page.nextCursor;
  } while (cursor);
  return all;
}

/** The notifications that came, until a test asks for them. */
class Hearing {
  #came = [];
  #wake = () => {};

  note(notification) {
    this.#came.push(notification);
    this.#wake();
  }

  /** Takes the first that has this method, now or later. */
  async next(method) {
    for (;;) {
      const index = this.#came.findIndex((notification) => notification.method === method);
      if (index >= 0) return this.#came.splice(index, 1)[0].params ?? {};
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}

/**
 * Calls a tool through `send(params, options)`. With `watch` it asks for progress and notes when each came; with
 * `cancelAtProgress` it aborts the call at the first one.
 */
export async function callTool(send, { tool, arguments: given, watch, cancelAtProgress, meta }) {
  const begun = performance.now();
  const progress = [];
  const abort = new AbortController();
  const onprogress = ({ progress: done, total }) => {
    progress.push({ progress: done, total, atMs: Math.round(performance.now() - begun) });
    if (cancelAtProgress) abort.abort('no longer wanted');
  };
  const options = watch || cancelAtProgress ? { onprogress, signal: abort.signal } : {};
  try {
    return { result: await send({ name: tool, arguments: given, _meta: meta }, options), progress };
  } catch (error) {
    if (abort.signal.aborted) return { cancelled: true, progress };
    throw error;
  }
}
