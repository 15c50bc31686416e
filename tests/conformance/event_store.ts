import type { EventStore, JSONRPCMessage } from "@modelcontextprotocol/server";

/** What a stream has sent, for a client that comes back to it. */
export class MemoryEventStore implements EventStore {
  readonly #events: { readonly stream: string; readonly message: JSONRPCMessage }[] = [];

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    this.#events.push({ stream, message });
    return Promise.resolve(String(this.#events.length));
  }

  getStreamIdForEventId(id: string): Promise<string | undefined> {
    return Promise.resolve(this.#events[Number(id) - 1]?.stream);
  }

  async replayEventsAfter(
    id: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const stream = this.#events[Number(id) - 1]?.stream ?? "";
    for (const [index, event] of this.#events.entries()) {
      const empty = Object.keys(event.message).length === 0;
      if (index < Number(id) || event.stream !== stream || empty) continue;
      await send(String(index + 1), event.message);
    }
    return stream;
  }
}
