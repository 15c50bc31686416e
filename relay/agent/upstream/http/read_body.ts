/** Reads what a server answers over HTTP: one message, or a stream of events. */
import type { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import { RelayError } from "../../../error.ts";
import { Gather } from "../../../wire/gather.ts";
import { type EventHandlers, EventParser } from "./event_parser.ts";
import type { Flow } from "./flow.ts";
import type { Budget } from "./limits.ts";

export interface ReadOptions {
  readonly flow: Flow;
  readonly budget: Budget;
  readonly messageBytes: number;
}

/** An event may go on this many times the limit until the stream is given up. */
const MAX_SKIP = 4;

/** The whole body; rejects with `LIMIT_EXCEEDED` if it is too large. */
export async function readWhole(body: Readable, options: ReadOptions): Promise<Buffer> {
  const { budget, messageBytes } = options;
  const gathered = new Gather();
  let held = 0;
  try {
    await readChunks(body, options.flow, (chunk) => {
      if (gathered.length + chunk.length > messageBytes) {
        throw tooLarge(options);
      }
      if (!budget.take(chunk.length)) throw tooLarge(options);
      held += chunk.length;
      gathered.push(chunk);
    });
    return gathered.take();
  } finally {
    budget.give(held);
  }
}

/** Hands on each event; resolves at the end of the stream, rejects when it breaks off. */
export async function readEvents(
  body: Readable,
  handlers: EventHandlers,
  options: ReadOptions,
): Promise<void> {
  const { budget, messageBytes } = options;
  const parser = new EventParser(handlers, { messageBytes, budget });
  try {
    await readChunks(body, options.flow, (chunk) => {
      parser.push(chunk);
      if (parser.skipped > MAX_SKIP * messageBytes) {
        throw tooLarge(options);
      }
    });
  } finally {
    parser.end();
  }
}

/** The one error of both limits: the second is reached by many messages that are all unfinished. */
export function tooLarge({ budget, messageBytes }: ReadOptions): RelayError {
  return new RelayError(
    "LIMIT_EXCEEDED",
    `a message is larger than ${messageBytes} bytes, or the unfinished ones of all answers are ` +
      `larger than ${budget.limit} bytes`,
  );
}

/** What `onChunk` throws ends the reading, and the connection with it. */
function readChunks(body: Readable, flow: Flow, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let done = false;
    const settle = (act: () => void) => {
      if (done) return;
      done = true;
      flow.delete(body);
      act();
    };
    const broken = (cause?: unknown) =>
      settle(() => reject(new RelayError("UNREACHABLE", "the connection broke off", { cause })));
    flow.add(body);
    body.on("data", (chunk: Buffer) => {
      if (done) return;
      try {
        onChunk(chunk);
      } catch (error) {
        settle(() => reject(error));
        body.destroy();
      }
    });
    body.on("end", () => settle(resolve));
    body.on("error", broken);
    body.on("close", () => broken());
  });
}
