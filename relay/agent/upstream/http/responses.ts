/** What the beginning of an HTTP answer tells. */
import { Buffer } from "node:buffer";
import type { Clock } from "../../../../identity/mod.ts";
import { after } from "../../../after.ts";
import { RelayError } from "../../../error.ts";
import { scanMessage } from "../../../wire/scanner.ts";
import type { HttpResponse } from "./connection.ts";
import { type ReadOptions, readWhole } from "./read_body.ts";

export type ResponseKind = "json" | "events" | "nothing" | "refusal";

/** What kind of answer it is; throws for one that is none of MCP. */
export function responseKind({ status, headers }: HttpResponse): ResponseKind {
  if (status >= 300 && status < 400) {
    throw wrong(`it answered with a redirect (HTTP ${status}), which is not followed`);
  }
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw wrong("its answer is compressed, which nobody asked for");
  if (status < 200 || status >= 400) return "refusal";
  const type = (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  if (type === "text/event-stream") return "events";
  if (status === 202 || status === 204 || headers["content-length"] === "0") return "nothing";
  if (type === "application/json") return "json";
  throw wrong("its answer is neither JSON nor a stream of events");
}

/** Why an answer is no stream of events, if it is none. */
export function noStream(response: HttpResponse): string | undefined {
  try {
    if (responseKind(response) === "events") return undefined;
    return `it answered with HTTP ${response.status}`;
  } catch (error) {
    return error instanceof RelayError ? error.message : "the agent has failed";
  }
}

/**
 * The answer to a request that came with an HTTP error: the JSON-RPC error in the body, under the
 * id of the request, or `undefined` if there is none.
 */
export async function readRefusal(
  { headers, body }: HttpResponse,
  id: string,
  options: ReadOptions,
): Promise<Uint8Array | undefined> {
  const type = (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json") {
    body.destroy();
    return undefined;
  }
  const scan = scanMessage(await readWhole(body, options));
  if (!scan.ok || scan.message.kind !== "error") return undefined;
  const { id: answered, error } = scan.message;
  // Servers that could not read the request answer without its id; HTTP knows whose it was.
  if (answered !== undefined && answered.json !== id) return undefined;
  return Buffer.concat([
    utf8.encode(`{"jsonrpc":"2.0","id":${id},"error":`),
    error.slice(),
    utf8.encode("}"),
  ]);
}

/**
 * Reads a body that says nothing, so that its connection can be used again; `onDone` is called
 * when nothing of it is under way any more.
 */
export function discard(
  { body }: HttpResponse,
  { clock, ms }: { clock: Clock; ms: number },
  onDone: () => void = () => {},
): void {
  const done = new AbortController();
  done.signal.addEventListener("abort", onDone, { once: true });
  let bytes = 0;
  body.on("data", (chunk: Buffer) => {
    if ((bytes += chunk.length) > MAX_DISCARDED_BYTES) body.destroy();
  });
  body.once("close", () => done.abort());
  after(clock, ms, done.signal, () => {
    body.destroy();
    done.abort();
  });
}

function wrong(found: string): RelayError {
  return new RelayError("PROTOCOL", found);
}

const MAX_DISCARDED_BYTES = 64 * 1024;
const utf8 = new TextEncoder();
