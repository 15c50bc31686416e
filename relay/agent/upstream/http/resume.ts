/**
 * Follows a stream of events over its interruptions: it is asked for again, from the event that
 * came last, after the time that the server names. Nothing is ever posted for that.
 */
import type { Buffer } from "node:buffer";
import type { Clock } from "../../../../identity/mod.ts";
import { RelayError, type RelayErrorCode } from "../../../error.ts";
import type { HttpResponse } from "./connection.ts";
import { LAST_EVENT_ID } from "../../../http/mcp_headers.ts";
import { readEvents, type ReadOptions } from "./read_body.ts";
import { discard, responseKind } from "./responses.ts";

export interface Following {
  onMessage(line: Buffer): void;
  onOversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): void;
  /** For the log; the stream may yet be read on. */
  onInterrupted(error: RelayError): void;
  /** Nothing more is wanted of the stream once it ends. */
  isOver(): boolean;
}

export interface FollowOptions {
  readonly clock: Clock;
  readonly reading: ReadOptions;
  readonly discarding: { readonly clock: Clock; readonly ms: number };
  /** Attempts in a row that bring nothing. */
  readonly resumes: number;
  readonly resumable: boolean;
  readonly signal: AbortSignal;
  readonly get: (headers: Record<string, string>, signal: AbortSignal) => Promise<HttpResponse>;
}

/** `refused`: the server has no such stream; `gone`: it has it no more. Or why it broke off. */
export type FollowOutcome = "ended" | "refused" | "gone" | RelayError;

/** Waiting times between attempts, unless the server names one. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** A stream that was open for so long has been of use, even if nothing came on it. */
const USEFUL_MS = 5_000;

/**
 * Begins with `first`, which is the answer to a POST and read on only from an event with an id, or
 * with a stream of its own, which is asked for until the server refuses.
 */
export async function follow(
  first: HttpResponse | undefined,
  following: Following,
  options: FollowOptions,
): Promise<FollowOutcome> {
  const { clock, signal } = options;
  let lastId = "";
  let retryMs: number | undefined;
  let fruitless = 0;
  let opened = first !== undefined;
  let response = first;
  for (;;) {
    const begun = clock.monotonic();
    let broken: RelayError | undefined;
    try {
      response ??= await options.get(lastId === "" ? {} : { [LAST_EVENT_ID]: lastId }, signal);
      if (isRefused(response)) {
        discard(response, options.discarding);
        if (response.status < 500) return opened && response.status === 404 ? "gone" : "refused";
      } else {
        opened = true;
        await readEvents(response.body, {
          onEvent: ({ type, data }) => {
            fruitless = 0;
            if (type === "message") following.onMessage(data);
          },
          onOversized: (excerpt) => following.onOversized(excerpt),
          onId: (id) => {
            fruitless = 0;
            lastId = isHeader(id) ? id : "";
          },
          onRetry: (ms) => void (retryMs = Math.min(ms, LONGEST_RETRY_MS)),
        }, options.reading);
      }
    } catch (error) {
      if (signal.aborted) return "ended";
      broken = error instanceof RelayError
        ? error
        : new RelayError("INTERNAL", "the agent has failed", { cause: error });
      following.onInterrupted(broken);
      if (FINAL.has(broken.code)) return broken;
    }
    response = undefined;
    const resumable = options.resumable && (first === undefined || lastId !== "");
    if (signal.aborted || following.isOver() || !resumable) return broken ?? "ended";
    if (clock.monotonic() - begun >= USEFUL_MS) fruitless = 0;
    if (++fruitless > options.resumes) return broken ?? "ended";
    const pause = retryMs ?? Math.min(FIRST_RETRY_MS * 2 ** (fruitless - 1), LONGEST_RETRY_MS);
    try {
      await clock.sleep(pause, signal);
    } catch {
      return "ended";
    }
    if (following.isOver()) return "ended";
  }
}

/** What would be no better the next time. */
const FINAL: ReadonlySet<RelayErrorCode> = new Set([
  "LIMIT_EXCEEDED",
  "CONFIG_INVALID",
  "PROTOCOL",
]);

function isRefused(response: HttpResponse): boolean {
  try {
    return responseKind(response) !== "events";
  } catch (error) {
    response.body.destroy();
    throw error;
  }
}

/** An id goes back in a header; one that does not fit there cannot be asked for. */
function isHeader(id: string): boolean {
  return /^[\x20-\x7e\x80-\xff]+$/.test(id);
}
