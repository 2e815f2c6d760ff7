// What the reference server's streams said, so that a client may come back for the rest.

/** The events of one MCP session. An event's id is `<stream>.<number>`, and numbers grow across streams. */
export class EventLog {
  #events = [];

  async storeEvent(stream, message) {
    this.#events.push({ stream, message });
    return `${stream}.${this.#events.length}`;
  }

  async getStreamIdForEventId(id) {
    return id.slice(0, id.lastIndexOf('.'));
  }

  async replayEventsAfter(id, { send }) {
    const stream = await this.getStreamIdForEventId(id);
    const seen = Number(id.slice(stream.length + 1));
    for (const [index, event] of this.#events.entries()) {
      if (index >= seen && event.stream === stream) await send(`${stream}.${index + 1}`, event.message);
    }
    return stream;
  }
}
