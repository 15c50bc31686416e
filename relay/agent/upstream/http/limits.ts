import type { AppLimits } from "../../../../identity/mod.ts";
import { MAX_LINE_BYTES } from "../../../wire/frame.ts";

/** What a server over HTTP may cost one session, and how long it may take. */
export interface HttpLimits {
  /** One message of the server. */
  readonly messageBytes: number;
  /** Unfinished messages of the server, over all answers that are being read. */
  readonly bufferedBytes: number;
  /** Requests of the client that the server works on at a time; more of them wait. */
  readonly concurrentRequests: number;
  /** The bytes of these requests together. */
  readonly openBytes: number;
  /** Notifications, withdrawals and answers that are under way at a time; more of them wait. */
  readonly concurrentTold: number;
  /** Messages of the client that wait for their turn. */
  readonly queuedBytes: number;
  /** Messages of the client that the server has not taken yet; beyond it the client waits. */
  readonly unsentBytes: number;
  /** Milliseconds until a connection stands. */
  readonly connectMs: number;
  /** Milliseconds until the answer to a request begins. */
  readonly headersMs: number;
  /** Milliseconds until the server has taken a notification or an answer. */
  readonly takenMs: number;
  /** Milliseconds that the end of a session may take. */
  readonly closeMs: number;
  /** Attempts in a row, without news, to read on in an interrupted stream. */
  readonly resumes: number;
}

export const HTTP_LIMITS: HttpLimits = {
  messageBytes: MAX_LINE_BYTES,
  bufferedBytes: 4 * MAX_LINE_BYTES,
  concurrentRequests: 256,
  openBytes: 4 * MAX_LINE_BYTES,
  concurrentTold: 64,
  queuedBytes: 2 * MAX_LINE_BYTES,
  unsentBytes: 1024 * 1024,
  connectMs: 10_000,
  // A server that answers with plain JSON begins when the call is done.
  headersMs: 600_000,
  takenMs: 30_000,
  closeMs: 3_000,
  resumes: 8,
};

/** What an app's own limits say of it. */
export function httpLimits(
  { concurrentRequests, connectMs, messageBytes, responseMs }: AppLimits,
): Partial<HttpLimits> {
  return { concurrentRequests, connectMs, messageBytes, headersMs: responseMs };
}

/** Memory that several readers share; whoever finds it used up has to give up its message. */
export class Budget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Changes what is used; false, and nothing is changed, if that would be too much. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
