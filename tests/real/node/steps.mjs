// How a test drives a client: one step a line on stdin, one line of JSON about it on stdout.

import { createInterface } from 'node:readline';

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

/**
 * Calls a tool through `send(params, options)`. With `watch` it asks for progress and notes when each came; with
 * `cancelAtProgress` it aborts the call at the first one.
 */
export async function callTool(send, { tool, arguments: given, watch, cancelAtProgress }) {
  const begun = performance.now();
  const progress = [];
  const abort = new AbortController();
  const onprogress = ({ progress: done, total }) => {
    progress.push({ progress: done, total, atMs: Math.round(performance.now() - begun) });
    if (cancelAtProgress) abort.abort('no longer wanted');
  };
  const options = watch || cancelAtProgress ? { onprogress, signal: abort.signal } : {};
  try {
    return { result: await send({ name: tool, arguments: given }, options), progress };
  } catch (error) {
    if (abort.signal.aborted) return { cancelled: true, progress };
    throw error;
  }
}
