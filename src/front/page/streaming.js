// Keeps a stream open as long as somebody sees the page: opened again when it ended, and seldom while that fails.

const FIRST_MS = 1000;
const MOST_MS = 30000;

/**
 * Calls `follow` with a signal and with what it calls once its stream is open, again and again until `signal` fires.
 * `lost` is told why it failed; where it says true that is for good. Streams cost the gateway, and a browser has few
 * connections for one gateway: a page that nobody sees gives its own back, and opens another when somebody looks again.
 */
export function keepOpen(follow, signal, lost) {
  let stream = new AbortController();
  let watching = false;
  let isOver = false;
  const watch = async () => {
    if (watching) return;
    watching = true;
    let failures = 0;
    while (!isOver && !signal.aborted && !document.hidden) {
      stream = new AbortController();
      try {
        await follow(stream.signal, () => (failures = 0));
      } catch (error) {
        if (!stream.signal.aborted) {
          failures += 1;
          isOver = lost(error) === true;
        }
      }
      // It may have ended because a session went to sleep, or the gateway itself: not again at once, nor all windows together.
      if (!isOver) await pause((Math.min(MOST_MS, FIRST_MS * 2 ** failures) * (1 + Math.random())) / 2, stream.signal);
    }
    watching = false;
  };
  const stop = () => stream.abort();
  signal.addEventListener('abort', stop);
  document.addEventListener('visibilitychange', () => (document.hidden ? stop() : watch()), { signal });
  watch();
}

const pause = (wait, signal) => new Promise((resolve) => {
  if (signal.aborted) {
    resolve();
    return;
  }
  const timer = setTimeout(resolve, wait);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    resolve();
  });
});
