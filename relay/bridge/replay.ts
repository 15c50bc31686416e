/**
 * What a new server has to be told that the one before knew: the client's own handshake, the level
 * of its log, its subscriptions. Only the legacy protocol has such a state; a client of the modern
 * one says everything with each request, and its subscriptions are requests that still wait.
 */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { RelayError } from "../error.ts";
import { ServerChanged } from "./failure.ts";

/** Messages of a handshake beyond this are not remembered, and neither is anything else then. */
const MAX_LINE_BYTES = 1024 * 1024;

/** Requests of this kind that may wait for their answers and still be remembered. */
const MAX_ASKED = 64;

/** Subscriptions beyond this are not restored. */
const MAX_SUBSCRIPTIONS = 1_000;

const WATCHED = new Set([
  "initialize",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
]);

// What clients and servers write is only looked into, never relied on.
// deno-lint-ignore no-explicit-any
type Json = any;

interface Asked {
  readonly method: string;
  readonly line: Buffer;
}

interface Handshake {
  readonly id: string;
  readonly line: Buffer;
  readonly result: Json;
}

export class Replay {
  /** Requests that are remembered if they succeed, by id. */
  readonly #asked = new Map<string, Asked>();
  readonly #subscriptions = new Set<string>();
  #handshake: Handshake | undefined;
  #initialized: Buffer | undefined;
  #level: Json;
  /** Our own requests to a new server; what they wait for, where somebody does. */
  readonly #own = new Map<string, (answer: Json) => void>();

  /** A new server has to be told something. */
  get needed(): boolean {
    return this.#handshake !== undefined;
  }

  /** The client has sent this. */
  note(id: string | undefined, method: string, line: Buffer): void {
    if (id === undefined) {
      if (method === "notifications/initialized") this.#initialized = Buffer.from(line);
      return;
    }
    if (!WATCHED.has(method)) return;
    // A client that greets again begins anew.
    if (method === "initialize") this.forget();
    // A copy: the line is a part of whatever was read with it.
    if (line.length > MAX_LINE_BYTES || this.#asked.size >= MAX_ASKED) return;
    this.#asked.set(id, { method, line: Buffer.from(line) });
  }

  /** Nothing has to be told any more. */
  forget(): void {
    this.#asked.clear();
    this.#subscriptions.clear();
    this.#handshake = this.#initialized = this.#level = undefined;
  }

  /** The server has answered; true if that is no concern of the client's. */
  take(id: string, line: Uint8Array): boolean {
    const own = this.#own.get(id);
    if (own) {
      this.#own.delete(id);
      own(parse(line));
      return true;
    }
    const asked = this.#asked.get(id);
    if (asked) {
      this.#asked.delete(id);
      this.#remember(id, asked, parse(line)?.result);
    }
    return false;
  }

  /** Whether an answer could be of interest. */
  get watches(): boolean {
    return this.#asked.size > 0 || this.#own.size > 0;
  }

  /**
   * Tells a new server everything; resolves with what the client has to hear then. Rejects if the
   * server is another one, or does not take it.
   */
  async run(send: (line: Uint8Array) => void): Promise<Uint8Array[]> {
    const { id, line, result } = this.#handshake!;
    this.#own.clear();
    const answer = await new Promise<Json>((resolve) => {
      this.#own.set(id, resolve);
      send(line);
    });
    if (answer?.result === undefined) {
      const found = answer?.error?.message ?? "it cannot be read";
      throw new RelayError("SERVER_REFUSED", `The MCP server has refused the handshake: ${found}`);
    }
    for (const member of ["serverInfo", "protocolVersion"]) {
      if (isDeepStrictEqual(answer.result[member], result[member])) continue;
      throw new ServerChanged(
        JSON.stringify(result[member]),
        JSON.stringify(answer.result[member]),
      );
    }
    if (this.#initialized) send(this.#initialized);
    const ask = (method: string, params: object) => {
      const own = `postern-${randomUUID()}`;
      this.#own.set(JSON.stringify(own), () => {});
      send(encode({ id: own, method, params }));
    };
    if (this.#level !== undefined) ask("logging/setLevel", { level: this.#level });
    for (const uri of this.#subscriptions) ask("resources/subscribe", { uri });
    return this.#notices(answer.result.capabilities ?? {});
  }

  /** What may have happened to the new server, or while there was none. */
  #notices(capabilities: Json): Uint8Array[] {
    const lists = ["tools", "resources", "prompts"].filter((kind) =>
      capabilities[kind]?.listChanged === true
    );
    return [
      ...lists.map((kind) => encode({ method: `notifications/${kind}/list_changed` })),
      ...[...this.#subscriptions].map((uri) =>
        encode({ method: "notifications/resources/updated", params: { uri } })
      ),
    ];
  }

  #remember(id: string, { method, line }: Asked, result: Json): void {
    if (result === undefined || result === null) return;
    const params = parse(line)?.params;
    switch (method) {
      case "initialize":
        this.#handshake = { id, line, result };
        return;
      case "logging/setLevel":
        this.#level = params?.level;
        return;
      case "resources/subscribe":
        if (typeof params?.uri !== "string") return;
        if (this.#subscriptions.size < MAX_SUBSCRIPTIONS) this.#subscriptions.add(params.uri);
        return;
      case "resources/unsubscribe":
        this.#subscriptions.delete(params?.uri);
    }
  }
}

function parse(line: Uint8Array): Json {
  try {
    return JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString());
  } catch {
    return undefined;
  }
}

function encode(message: object): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
}
