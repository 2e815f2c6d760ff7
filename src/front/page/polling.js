// Keeps what is shown fresh: again after a while, at once when somebody looks, and seldom while that fails.

import { Problem } from './api.js';

const MOST_MS = 60000;

/**
 * Calls `look` now and again until `signal` fires. `look` tells how many milliseconds may pass before the next time, or
 * nothing for the usual. It never runs twice at once, and not at all while nobody sees the page.
 */
export function keepFresh(look, signal, usual = 5000) {
  let timer;
  let failures = 0;
  let running = false;
  let asked = false;
  const next = (wait) => {
    clearTimeout(timer);
    if (!signal.aborted && !document.hidden) timer = setTimeout(run, wait);
  };
  const run = async () => {
    if (signal.aborted) return;
    if (running) {
      // What is under way may have begun before whatever makes somebody ask.
      asked = true;
      return;
    }
    running = true;
    clearTimeout(timer);
    let wait = usual;
    try {
      wait = (await look()) ?? usual;
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      // What the gateway refuses `look` has told. Anything else is a mistake of this page, and nobody's to keep quiet.
      if (!(error instanceof Problem) && error.name !== 'AbortError') reportError(error);
      failures += 1;
      // Somewhere between one and two times as long: many windows that lost one gateway come back apart.
      wait = Math.min(MOST_MS, usual * 2 ** failures) * (1 + Math.random()) / 2;
    } finally {
      running = false;
    }
    next(asked ? 0 : wait);
    asked = false;
  };
  document.addEventListener('visibilitychange', () => document.hidden || run(), { signal });
  addEventListener('focus', run, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  run();
  return run;
}

/** Gives what has `work` done when it is called: never twice at once, and once more where somebody asked meanwhile. */
export function oneAtATime(work) {
  let running = false;
  let asked = false;
  return async () => {
    asked = true;
    if (running) return;
    running = true;
    try {
      while (asked) {
        asked = false;
        await work();
      }
    } finally {
      running = false;
    }
  };
}
