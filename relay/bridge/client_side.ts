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
import { Progress } from "./progress.ts";

/** Requests in flight; the gate at the other end allows fewer. */
const MAX_PENDING = 16_384;

/** Requests that may be put to another server instead: it does no more than answer or tell. */
const REPEATABLE = new Set(["initialize", "subscriptions/listen"]);

/** How often one call is made again: whatever its server dies of may be the call itself. */
const MAX_REPEATS = 2;

/** Longer reasons are not read; the request then waits for an answer that may not come. */
const MAX_CANCEL_BYTES = 65_536;

/** Bytes of requests in flight that are kept, to tell which of them the gate could not read. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** A request that waits for its answer. */
interface Pending {
  /** While there is room for it. */
  readonly line: Buffer | undefined;
  readonly method: string;
  /** Its number in the session that it was sent in. */
  seq: number | undefined;
  /** The agent has said that it may be sent again in another session. */
  marked: boolean;
  /** How often it was. */
  repeats: number;
}

/** A request that goes again, in another session. */
export interface Repeated {
  readonly id: string;
  readonly line: Buffer;
}

export class ClientSide {
  readonly #writer: LineWriter;
  /** Requests without an answer, by their id as JSON text. */
  readonly #pending = new Map<string, Pending>();
  #keptBytes = 0;
  /** Those of them that are answered only once somebody ends them. */
  readonly #subscriptions = new Set<string>();
  /** Ids of those of them that were sent in this session, by number. */
  readonly #numbers = new Map<number, string>();
  readonly #progress = new Progress();
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
    return [...this.#pending.values()].some(mayRepeat);
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

  /** A request is passed on; its answer is expected. False if one under its id is already. */
  expect(id: string, method: string, line: Buffer): boolean {
    // A second request under an id in flight is refused; the first is still the one that waits.
    if (this.#pending.has(id)) return false;
    const kept = this.#keptBytes + line.length <= MAX_KEPT_BYTES ? line : undefined;
    this.#keptBytes += kept?.length ?? 0;
    this.#pending.set(id, { line: kept, method, seq: undefined, marked: false, repeats: 0 });
    if (method === "subscriptions/listen") this.#subscriptions.add(id);
    return true;
  }

  /** A request that is expected has this number in the session that is open. */
  sent(id: string, seq: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.seq = seq;
    this.#numbers.set(seq, id);
  }

  /** The agent has said that this message may be sent again in another session. */
  mayRepeat(seq: number): void {
    const id = this.#numbers.get(seq);
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id === undefined || pending?.line === undefined) return;
    pending.marked = this.#progress.follow(id, pending.line);
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
    } else if (method === "notifications/progress" && this.#progress.isOld(line)) {
      return;
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
  failAll(text: string, { repeat = false } = {}): Repeated[] {
    const again: Repeated[] = [];
    this.#numbers.clear();
    for (const [id, pending] of [...this.#pending]) {
      const { line } = pending;
      if (repeat && line && mayRepeat(pending)) {
        again.push({ id, line });
        pending.repeats++;
        // What is true of the next server's tool the next agent says.
        pending.marked = false;
        this.#progress.repeat(id);
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
    for (const [id, { line }] of this.#pending) {
      if (line === undefined) continue;
      const scan = scanMessage(line);
      if (!scan.ok && scan.refusal.id === undefined) this.#settle(id);
    }
  }

  #settle(id: string): void {
    const { line, seq } = this.#pending.get(id) ?? {};
    this.#keptBytes -= line?.length ?? 0;
    this.#pending.delete(id);
    this.#subscriptions.delete(id);
    if (seq !== undefined) this.#numbers.delete(seq);
    this.#progress.forget(id);
  }
}

/** Whether a request may be put to another server instead. */
function mayRepeat({ line, marked, method, repeats }: Pending): boolean {
  return line !== undefined && (REPEATABLE.has(method) || marked && repeats < MAX_REPEATS);
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
