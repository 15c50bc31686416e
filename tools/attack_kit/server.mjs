/**
 * The MCP server behind the gateway that is attacked: `node server.mjs RECORD`. It writes every line
 * that reaches it to the file RECORD, in base64, before it acts, and it reads generously, as many
 * servers do: of two keys the last counts, keys may differ in case, batches are run. What a gateway
 * lets through here may do harm elsewhere.
 *
 * Tools: `echo`; `kit_denied` and `kit_secret_tool`, which the gateway has to deny, answer with a
 * marker that must never reach the client; `kit_say` writes given bytes as they are, so that rows
 * can attack from this side; `kit_silent` never answers.
 */
import { appendFileSync } from "node:fs";
import process from "node:process";

const MARKER = "KIT-SECRET-b7e1";
const record = process.argv[2];
let pieces = [];

process.stdin.on("data", (chunk) => {
  let from = 0;
  for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
    const line = Buffer.concat([...pieces, chunk.subarray(from, end)]);
    pieces = [];
    from = end + 1;
    appendFileSync(record, `${line.toString("base64")}\n`);
    take(line.toString("utf8"));
  }
  if (from < chunk.length) pieces.push(chunk.subarray(from));
});
process.stdin.on("end", () => process.exit(0));

function take(text) {
  let message;
  try {
    message = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    return;
  }
  for (const each of Array.isArray(message) ? message : [message]) answer(folded(each));
}

/** Keys in lower case, as readers that ignore case see them. */
function folded(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.toLowerCase(),
      key.toLowerCase() === "params" ? folded(inner) : inner,
    ]),
  );
}

function answer({ id, method, params }) {
  if (typeof method !== "string") return;
  const result = resultOf(method.trim(), params ?? {});
  if (id !== undefined && result !== undefined) {
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
  }
}

function resultOf(method, params) {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params.protocolversion ?? params.protocolVersion ?? "2025-11-25",
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: "attack-kit", version: "1" },
      };
    case "tools/list":
      return {
        tools: TOOLS.map((name) => ({ name, inputSchema: { type: "object" } })),
        ...(params.cursor === "cached" && { ttlMs: 600_000, cacheScope: "public" }),
      };
    case "tools/call":
      return call(String(params.name).trim(), params.arguments ?? {});
    default:
      return {};
  }
}

const TOOLS = ["echo", "kit_say", "kit_silent", "kit_denied", "kit_secret_tool"];

function call(name, args) {
  switch (name) {
    case "kit_silent":
      return undefined;
    case "kit_say":
      for (const bytes of args.lines ?? []) process.stdout.write(Buffer.from(bytes, "base64"));
      return { content: [{ type: "text", text: "said" }] };
    case "echo":
      return { content: [{ type: "text", text: String(args.message ?? "") }] };
    default:
      return { content: [{ type: "text", text: MARKER }] };
  }
}
