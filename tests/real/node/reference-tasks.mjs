// The reference server's tasks: the extension io.modelcontextprotocol/tasks of 2026-07-28.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { answer, form, object } from './reference-tools.mjs';

export const TASKS = 'io.modelcontextprotocol/tasks';
const TTL_MS = 60_000;
const POLL_INTERVAL_MS = 50;
const LONGEST_CALL_SECONDS = 1;
const ENDED = ['completed', 'failed', 'cancelled'];
const yes = { confirm: { type: 'boolean' } };

/** Tools that cannot answer but with a task. */
const REQUIRED = ['failing_job', 'protocol_error_job', 'confirm_delete', 'multi_input', 'test_tool_with_task'];

const tasks = new Map();

/** A job that goes on after its call was answered. */
class Task {
  #stop = new AbortController();
  #answered = () => {};

  constructor(work) {
    const now = new Date().toISOString();
    this.shown = { taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now, ttlMs: TTL_MS };
    this.shown.pollIntervalMs = POLL_INTERVAL_MS;
    tasks.set(this.shown.taskId, this);
    // Not at once: its first state is the one that `tools/call` answers.
    Promise.resolve(this).then(work).then(
      (result) => this.#become('completed', { result }),
      ({ code = -32603, message }) => this.#become('failed', { error: { code, message } }),
    );
  }

  /** What `tools/call` answers. */
  get created() {
    return { resultType: 'task', ...this.shown };
  }

  pause(seconds) {
    return pause(seconds * 1_000, undefined, { signal: this.#stop.signal });
  }

  /** Waits for the answers to all of these requests; each one that came is no longer shown. */
  async ask(inputRequests) {
    const answers = {};
    this.#become('input_required', { inputRequests });
    while (Object.keys(this.shown.inputRequests).length > 0) {
      Object.assign(answers, await new Promise((resolve) => (this.#answered = resolve)));
      const open = Object.entries(this.shown.inputRequests).filter(([key]) => !(key in answers));
      this.#become('input_required', { inputRequests: Object.fromEntries(open) });
    }
    this.#become('working');
    return answers;
  }

  update(inputResponses) {
    this.#answered(inputResponses);
  }

  cancel() {
    this.#become('cancelled');
    this.#stop.abort();
  }

  #become(status, more = {}) {
    if (ENDED.includes(this.shown.status)) return;
    const { inputRequests: _, ...shown } = this.shown;
    this.shown = { ...shown, ...more, status, lastUpdatedAt: new Date().toISOString() };
  }
}

const knowsTasks = ({ mcpReq }) => mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY]?.extensions?.[TASKS] !== undefined;

function demandTasks(context) {
  if (knowsTasks(context)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
}

/** Refuses calls that need the extension, before a tool runs: what a tool throws becomes its result. */
export function gateTasks({ server }) {
  const set = server.setRequestHandler.bind(server);
  server.setRequestHandler = (method, ...handlers) => {
    if (method !== 'tools/call') return set(method, ...handlers);
    const [call] = handlers;
    return set(method, (request, context) => {
      if (REQUIRED.includes(request.params.name)) demandTasks(context);
      return call(request, context);
    });
  };
}

export function addTasks(server, era) {
  const add = (name, run, inputSchema = object()) =>
    server.registerTool(name, { description: `The scenario's ${name}.`, inputSchema }, run);
  const begin = (work) => new Task(work).created;

  add('greet', ({ name }) => answer(`Hello, ${name}!`), object({ name: { type: 'string' } }));
  add(
    'slow_compute',
    async ({ seconds }, context) => {
      if (!knowsTasks(context)) {
        if (seconds > LONGEST_CALL_SECONDS) throw new Error('That takes too long for a call.');
        return pause(seconds * 1_000, answer('Computed.'));
      }
      return begin(async (task) => {
        await task.pause(seconds);
        return answer('Computed.');
      });
    },
    object({ seconds: { type: 'number' }, label: { type: 'string' } }, ['seconds']),
  );
  add('failing_job', () => begin(async () => ({ ...answer('It did not work.'), isError: true })));
  add('protocol_error_job', () =>
    begin(() => {
      throw new Error('It broke.');
    }),
  );
  add(
    'confirm_delete',
    ({ filename }) =>
      begin(async (task) => {
        const { confirm } = await task.ask({ confirm: form(`Delete ${filename}?`, yes) });
        return answer(`${filename}: ${confirm.action}.`);
      }),
    object({ filename: { type: 'string' } }),
  );
  add('multi_input', () =>
    begin(async (task) => {
      const answers = await task.ask({ first: form('The first?', yes), second: form('The second?', yes) });
      return answer(JSON.stringify(answers));
    }),
  );
  add('test_tool_with_task', (_given, { mcpReq }) => {
    const given = mcpReq.inputResponses?.user_name;
    const asked = form('What is your name?', { name: { type: 'string' } });
    if (!given) return inputRequired({ inputRequests: { user_name: asked } });
    return begin(async () => answer(`Hello, ${given.content?.name}!`));
  });
  if (era === 'modern') addMethods(server.server);
}

function addMethods(server) {
  const params = z.looseObject({ taskId: z.string(), inputResponses: z.record(z.string(), z.unknown()).optional() });
  const add = (method, run) =>
    server.setRequestHandler(method, { params }, (given, context) => {
      demandTasks(context);
      const task = tasks.get(given.taskId);
      if (!task) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `no task ${given.taskId}`);
      return run(task, { ...given, ...context.mcpReq }) ?? {};
    });

  add('tasks/get', (task) => task.shown);
  add('tasks/update', (task, { inputResponses = {} }) => task.update(inputResponses));
  add('tasks/cancel', (task) => task.cancel());
}
