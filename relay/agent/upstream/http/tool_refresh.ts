/**
 * A modern server that misses a header which the definition of a tool asks for says so (-32020) and
 * has done nothing. The definition may have changed, or nobody has listed the tools yet: they are
 * asked for here, on the client's behalf and in its revision, and nothing of it reaches the client.
 */
import { Buffer } from "node:buffer";
import { scanMessage } from "../../../wire/scanner.ts";
import { resultOf } from "./http_server.ts";
import { type Outgoing, readOutgoing } from "../../../http/outgoing.ts";
import type { ToolParams } from "../../../http/tool_params.ts";

/** SEP-2243: a header is not there, or says something else than the body. */
const HEADER_MISMATCH = -32020;

/** Pages of a list that are read; a longer one is not worth the wait. */
const MAX_PAGES = 100;

/** Whether this answer says that a header was missing or wrong. */
export function isHeaderMismatch(answer: Uint8Array | undefined): boolean {
  const scan = answer && scanMessage(answer);
  return scan?.ok === true && scan.message.kind === "error" &&
    Number(scan.message.error.member("code")?.text()) === HEADER_MISMATCH;
}

/** Learns the tools of a server anew; false when it does not list them. */
export async function refreshTools(
  tools: ToolParams,
  { params }: Outgoing,
  ask: (message: Outgoing) => Promise<Buffer | undefined>,
): Promise<boolean> {
  const meta = params?.member("_meta")?.text() ?? "{}";
  let cursor = "";
  for (let page = 0; page < MAX_PAGES; page++) {
    const list =
      `{"jsonrpc":"2.0","id":"postern-tools-${page}","method":"tools/list","params":{${cursor}"_meta":${meta}}}`;
    const answer = await ask(readOutgoing(Buffer.from(list)));
    const result = answer && resultOf(answer);
    if (result === undefined) return false;
    tools.learn(result.inner.get("tools"));
    const next = result.result.member("nextCursor");
    if (next?.string() === undefined) return true;
    cursor = `"cursor":${next.text()},`;
  }
  return true;
}
