/** Asks for JSON of which little is trusted: bounded in time and size, and never redirected. */
import { Buffer } from "node:buffer";

export interface JsonRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until all of the answer has come. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** Rejects with an `Error` whose message says what went wrong and quotes nothing of the answer. */
export async function fetchJson(
  url: string | URL,
  { headers, timeoutMs, maxBytes }: JsonRequest,
): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: "application/json", ...headers },
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`it answered with HTTP ${response.status}`);
  }
  const text = (await bounded(response, maxBytes)).toString("utf8");
  try {
    return JSON.parse(text);
  } catch {
    // A parser quotes what it has stumbled over, which may be a secret.
    throw new Error("its answer is not JSON");
  }
}

async function bounded({ body }: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    if ((bytes += chunk.length) > maxBytes) throw new Error("its answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
