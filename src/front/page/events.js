// Server-sent events out of a response's body.

/** Each event of a stream with its `id` and `data`, as it comes. */
export async function* events(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => reader.cancel().catch(() => {});
  signal?.addEventListener('abort', stop, { once: true });
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      rest += value;
      // A lone return may be the first half of a line's end.
      const blocks = rest.split(/\r\n\r\n|\n\n|\r\r(?!$)/);
      rest = blocks.pop();
      for (const block of blocks) yield read(block);
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    // Broken off: whoever reads decides what to make of it.
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
  if (signal?.aborted) throw new DOMException('Stopped', 'AbortError');
}

function read(block) {
  const event = { data: '' };
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value] = line.match(/^([^:]*):? ?(.*)$/s);
    if (name === 'data') event.data += event.data ? `\n${value}` : value;
    else if (name === 'id') event.id = value;
    else if (name === 'event') event.event = value;
  }
  return event;
}
