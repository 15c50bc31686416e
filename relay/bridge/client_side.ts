/**
 * The bridge's side towards its MCP client: what goes to stdout, and which requests still wait
 * for an answer. Whatever happens to a session, each of them gets one.
 */
import { Buffer } from "node:buffer";
import type { Writable } from "node:stream";
import { type Excerpt, excerptId } from "../wire/excerpt.ts";
import { LineWriter } from "../wire/line_writer.ts";
import { peekMessage } from "../wire/peek.ts";
import { errorReply } from "../wire/refusal.ts";
import { scanMessage } from "../wire/scanner.ts";

/** Requests in flight; the gate at the other end allows fewer. */
const MAX_PENDING = 16_384;

/** Requests that may be put to another server instead: it does no more than answer or tell. */
const REPEATABLE = new Set(["initialize", "subscriptions/listen"]);

/** Longer reasons are not read; the request then waits for an answer that may not come. */
const MAX_CANCEL_BYTES = 65_536;

/** Bytes of requests in flight that are kept, to tell which of them the gate could not read. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

export class ClientSide {
  readonly #writer: LineWriter;
  /** Requests without an answer, by their id as JSON text, with their lines while there is room. */
  readonly #pending = new Map<string, Buffer | undefined>();
  #keptBytes = 0;
  /** Those of them that are answered only once somebody ends them. */
  readonly #subscriptions = new Set<string>();
  /** Those of them that may be repeated. */
  readonly #repeatable = new Set<string>();
  /** Requests that were answered here, though the server may still answer them. */
  readonly #givenUp = new Set<string>();
  /** Requests of the server that the client has not answered. */
  readonly #fromServer = new Set<string>();
  /** The same of servers that are no more: nobody waits for the answers. */
  readonly #stale = new Set<string>();

  constructor(stdout: Writable) {
    this.#writer = new LineWriter(stdout);
  }

  /** Some request has no answer yet, and will get one by itself. */
  get waits(): boolean {
    return this.#pending.size > this.#subscriptions.size;
  }

  /** Some request may be put to another server instead. */
  get repeats(): boolean {
    return this.#repeatable.size > 0;
  }

  /** So many requests have no answer that another cannot be taken. */
  get full(): boolean {
    return this.#pending.size >= MAX_PENDING;
  }

  get congested(): boolean {
    return this.#writer.congested;
  }

  room(): Promise<void> {
    return this.#writer.room();
  }

  flush(): void {
    this.#writer.flush();
  }

  /** A request was passed on; its answer is expected. */
  expect(id: string, method: string, line: Buffer): void {
    // A second request under an id in flight is refused; the first is still the one that waits.
    if (this.#pending.has(id)) return;
    const kept = this.#keptBytes + line.length <= MAX_KEPT_BYTES ? line : undefined;
    this.#keptBytes += kept?.length ?? 0;
    this.#pending.set(id, kept);
    if (method === "subscriptions/listen") this.#subscriptions.add(id);
    if (kept && REPEATABLE.has(method)) this.#repeatable.add(id);
  }

  /** The client answers a request of the server; false if that server is no more. */
  answers(id: string): boolean {
    if (this.#stale.delete(id)) return false;
    this.#fromServer.delete(id);
    return true;
  }

  /** The client has withdrawn a request, which gets no answer then. */
  withdraw(cancelled: Buffer): void {
    const id = cancelledId(cancelled);
    if (id !== undefined) this.#settle(id);
  }

  /** Writes a message of the server. */
  deliver(line: Buffer): void {
    const { id, method } = peekMessage(line);
    if (method === undefined) {
      if (id === undefined) this.#settleUnreadable();
      // It was answered already, if not so well.
      else if (this.#givenUp.delete(id)) return;
      else this.#settle(id);
    } else if (id !== undefined) {
      // The gate bounds how many wait; what they were asked twice is asked once here.
      this.#fromServer.add(id);
    } else if (method === "notifications/cancelled") {
      this.#fromServer.delete(cancelledId(Buffer.from(line)) ?? "");
    }
    this.#writer.write(line);
  }

  /** Writes a message of the bridge's own. */
  tell(line: Uint8Array): void {
    this.#writer.write(line);
  }

  /** Answers a request with an error. */
  fail(id: string, text: string): void {
    // Other kinds of id belong to no request that a client can match an answer to.
    if (!/^["\d-]/.test(id)) return;
    this.#writer.write(errorReply({ key: id, json: id }, -32603, text));
  }

  /** Answers every request that waits with the same error; late answers are dropped. */
  giveUp(text: string): void {
    for (const id of [...this.#pending.keys()]) {
      if (this.#subscriptions.has(id)) continue;
      this.#settle(id);
      this.fail(id, text);
      if (this.#givenUp.size < MAX_PENDING) this.#givenUp.add(id);
    }
  }

  /**
   * The server is no more: answers every request that waits with the same error. What another
   * server may be asked instead goes on waiting, and is returned.
   */
  failAll(text: string, { repeat = false } = {}): Buffer[] {
    const again: Buffer[] = [];
    for (const [id, line] of [...this.#pending]) {
      if (repeat && line && this.#repeatable.has(id)) {
        again.push(line);
        continue;
      }
      this.#settle(id);
      this.fail(id, text);
    }
    this.#givenUp.clear();
    for (const id of this.#fromServer) this.#stale.add(id);
    this.#fromServer.clear();
    return again;
  }

  /** Answers a request that was too large to be read, if its id can be told. */
  refuseOversized(excerpt: Excerpt): void {
    const id = excerptId(excerpt);
    if (id === undefined || this.#pending.has(id.json)) return;
    this.#writer.write(errorReply(id, -32600, "The message is too large"));
  }

  /**
   * An error under no id has come: some line could not be read at the other end, though its id
   * could be made out here. JSON-RPC 2.0 §5: nothing will ever be answered under that id.
   */
  #settleUnreadable(): void {
    for (const [id, line] of this.#pending) {
      if (line === undefined) continue;
      const scan = scanMessage(line);
      if (!scan.ok && scan.refusal.id === undefined) this.#settle(id);
    }
  }

  #settle(id: string): void {
    this.#keptBytes -= this.#pending.get(id)?.length ?? 0;
    this.#pending.delete(id);
    this.#subscriptions.delete(id);
    this.#repeatable.delete(id);
  }
}

/** The id that `notifications/cancelled` names, as `peekMessage` would write it. */
function cancelledId(line: Buffer): string | undefined {
  if (line.length > MAX_CANCEL_BYTES) return undefined;
  try {
    return JSON.stringify(JSON.parse(line.toString()).params.requestId);
  } catch {
    // The gate will refuse it.
    return undefined;
  }
}
