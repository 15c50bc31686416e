/** The lines of a change stream, as they come over HTTPS. */
import { Buffer } from "node:buffer";
import https from "node:https";
import { type ConnectOptions, explain, read, requestOptions, settle } from "../authority/client.ts";
import { CHANGES_PATH } from "../authority/routes.ts";
import { IdentityError } from "../error.ts";
import { MAX_LINE_BYTES, type StreamLine, type Version } from "./line.ts";

/** What a refusal may be long. */
const MAX_REFUSAL_BYTES = 64 * 1024;
/** No pulse for so long, and the connection is given up: it may be open at this end alone. */
const SILENCE_MS = 15_000;

/** Opens a change stream, from a place on or from nothing. Rejects and throws `IdentityError`. */
export async function* openStream(
  options: ConnectOptions,
  after: Version | undefined,
  signal: AbortSignal,
): AsyncGenerator<StreamLine, void> {
  const trust = await settle(options);
  const query = after ? `?epoch=${encodeURIComponent(after.epoch)}&seq=${after.seq}` : "";
  const request = https.request({
    ...requestOptions(options, trust),
    method: "GET",
    path: `${CHANGES_PATH}${query}`,
    headers: { accept: "application/x-ndjson", host: trust.servername ?? options.proxy },
    signal,
  });
  request.setTimeout(SILENCE_MS, () => request.destroy(new Error("no pulse")));
  try {
    const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", reject);
      request.end();
    });
    if (response.statusCode !== 200) {
      read(response.statusCode ?? 0, await refusal(response), options.proxy);
    }
    yield* linesOf(response);
  } catch (cause) {
    throw explain(cause, options);
  } finally {
    request.destroy();
  }
}

async function refusal(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) {
    text += chunk.toString();
    if (text.length > MAX_REFUSAL_BYTES) break;
  }
  return text;
}

/** Cuts bytes at line ends. Each byte is looked at once, and a line has a limit. */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamLine, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      const piece = chunk.subarray(from, end < 0 ? undefined : end);
      length += piece.length;
      if (length > MAX_LINE_BYTES) throw broken("a line is too long");
      parts.push(piece);
      if (end < 0) break;
      yield parse(Buffer.concat(parts).toString());
      parts = [];
      length = 0;
      from = end + 1;
    }
  }
}

function parse(text: string): StreamLine {
  try {
    return JSON.parse(text) as StreamLine;
  } catch {
    throw broken("a line is no JSON");
  }
}

function broken(because: string): IdentityError {
  return new IdentityError("API_PROTOCOL", `Cannot follow the cluster's changes: ${because}`, {
    hint: "Check that this host and the authority are of compatible versions",
  });
}
