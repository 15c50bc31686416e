/**
 * The requests of the client that the server works on. An answer is known by its id, whatever
 * stream it comes on; a request that can have none any more gets an error from here. Everything
 * that a server says goes on to the gate, which alone decides what the client sees of it.
 */
import { Buffer } from "node:buffer";
import type { RelayError } from "../../../error.ts";
import { excerptId } from "../../../wire/excerpt.ts";
import { peekMessage } from "../../../wire/peek.ts";
import { errorReply } from "../../../wire/refusal.ts";
import type { UpstreamHandlers } from "../upstream.ts";
import type { Outgoing } from "../../../http/outgoing.ts";

export class Call {
  readonly message: Outgoing;
  /** The id as JSON text. */
  readonly id: string;
  /** Ends the request and the reading of its answer. */
  readonly abort = new AbortController();
  /** Resolves when the request has left, or never will. */
  readonly sent = Promise.withResolvers<void>();
  /** Resolves when it has been answered, by the server or from here. */
  readonly settled = Promise.withResolvers<void>();
  started = false;
  isSettled = false;
  /** Its own answer has ended; one may still come on the stream of the session. */
  waiting = false;

  constructor(message: Outgoing, id: string) {
    this.message = message;
    this.id = id;
  }

  get modern(): boolean {
    return this.message.modern !== undefined;
  }
}

export interface CallsOptions {
  /** The app's name, the only name of the server that a client may see. */
  readonly app: string;
  readonly handlers: UpstreamHandlers;
  /** Hears of an answer before the gate does. */
  readonly onAnswer?: (call: Call, line: Buffer) => void;
}

export class Calls {
  readonly #options: CallsOptions;
  readonly #open = new Map<string, Call>();
  #over = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** The gate lets no two requests with one id be open at a time. */
  add(message: Outgoing): Call {
    const call = new Call(message, message.id ?? "null");
    this.#open.set(call.id, call);
    return call;
  }

  find(id: string | undefined): Call | undefined {
    return id === undefined ? undefined : this.#open.get(id);
  }

  /** Those that are open, oldest first. */
  all(): Call[] {
    return [...this.#open.values()];
  }

  /** Passes on one message of the server. */
  deliver(line: Buffer): void {
    if (this.#over) return;
    const { id, method } = peekMessage(line);
    const call = method === undefined ? this.find(id) : undefined;
    if (call) {
      this.#options.onAnswer?.(call, line);
      this.settle(call);
    }
    this.#options.handlers.onMessage(line);
  }

  /** Passes on what is left of a message that was too large; false if nobody can tell whose. */
  oversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): boolean {
    if (this.#over) return true;
    const isCall = peekMessage(excerpt.head).method !== undefined;
    const answered = isCall ? undefined : this.find(idOf(excerpt));
    if (!isCall && answered === undefined) return false;
    if (answered) this.settle(answered);
    this.#options.handlers.onOversized(excerpt);
    return true;
  }

  /** Answers with an error; `found` goes on after "The request to MCP server … failed: ". */
  fail(call: Call, found: string | RelayError): void {
    const reason = typeof found === "string" ? found : found.message;
    const message = `The request to MCP server "${this.#options.app}" failed: ${reason}`;
    this.answer(call, errorReply({ key: "", json: call.id }, -32603, message));
  }

  /** Nobody will answer a cancelled request, so this does: the gate drops it and frees the id. */
  answerCancelled(call: Call): void {
    this.answer(call, errorReply({ key: "", json: call.id }, -32603, "Cancelled"));
  }

  /** Answers in the place of the server. */
  answer(call: Call, line: Uint8Array): void {
    if (call.isSettled || this.#over) return;
    this.settle(call);
    this.#options.handlers.onMessage(Buffer.from(line));
  }

  settle(call: Call): void {
    call.isSettled = true;
    if (this.#open.get(call.id) === call) this.#open.delete(call.id);
    call.settled.resolve();
  }

  /** Says nothing any more. */
  close(): void {
    this.#over = true;
    for (const call of this.all()) this.settle(call);
  }
}

function idOf(excerpt: { head: Buffer; tail: Buffer; bytes: number }): string | undefined {
  return excerptId(excerpt)?.json;
}
