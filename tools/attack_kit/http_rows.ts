/**
 * Rows for gateways that listen on HTTP themselves: one request each, of a page that has brought a
 * name of its own to the gateway's address, or of a client whose headers and body disagree. The
 * gateway has to refuse it, and nothing of it may reach the server.
 */
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const httpRow = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  category: z.enum(["dns-rebinding", "header-mismatch", "http-session", "smuggling"]),
  why: z.string(),
  method: z.enum(["POST", "GET", "DELETE"]).default("POST"),
  /** Beside those that a client of the modern era sends; `null` leaves one out. */
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string()), z.null()])).default({}),
  /** A call of the tool `echo` unless given. */
  body: z.string().optional(),
  /** What the gateway may answer with. */
  status: z.array(z.number().int()),
});

export type HttpRow = z.infer<typeof httpRow>;

export interface HttpVerdict {
  readonly id: string;
  readonly category: HttpRow["category"];
  readonly problems: readonly string[];
}

export interface HttpKitOptions {
  /** Where the gateway takes MCP over streamable HTTP. */
  readonly url: string;
  readonly rows: readonly HttpRow[];
  /** Where the kit's server writes what reaches it; without it, answers alone are judged. */
  readonly record?: string;
  /** The tool to call, which has to be allowed and to take `message`. */
  readonly tool?: string;
}

/** All rows of a folder. Throws with the file's name when one is wrong. */
export function readHttpRows(folder: string): HttpRow[] {
  return readdirSync(folder).filter((name) => name.endsWith(".yaml")).sort().flatMap((name) => {
    const parsed = z.array(httpRow).safeParse(parse(readFileSync(join(folder, name), "utf8")));
    if (!parsed.success) throw new Error(`${name}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  });
}

/** Sends each row, and after it a plain call, which has to be served. */
export async function runHttpKit(options: HttpKitOptions): Promise<HttpVerdict[]> {
  const verdicts: HttpVerdict[] = [];
  const plain = await send(options, { method: "POST", headers: {} });
  if (plain.status !== 200) throw new Error(`a plain call is answered with HTTP ${plain.status}`);
  for (const row of options.rows) {
    const before = recorded(options);
    const { status, text } = await send(options, row);
    const problems: string[] = [];
    if (!row.status.includes(status)) problems.push(`it is answered with HTTP ${status}`);
    if (text.includes('"result"')) problems.push("it is answered with a result");
    if (recorded(options) > before) problems.push("it reaches the server");
    const after = await send(options, { method: "POST", headers: {} });
    if (after.status !== 200) problems.push(`then a plain call is answered with ${after.status}`);
    verdicts.push({ id: row.id, category: row.category, problems });
  }
  return verdicts;
}

function recorded({ record }: HttpKitOptions): number {
  return record === undefined ? 0 : statSync(record, { throwIfNoEntry: false })?.size ?? 0;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const PREFIX = "io.modelcontextprotocol";
const VERSION = "2026-07-28";
const PATIENCE_MS = 10_000;

function send(
  { tool = "echo", url }: HttpKitOptions,
  { body, headers, method }: Pick<HttpRow, "body" | "headers" | "method">,
): Promise<Answer> {
  const call = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: tool,
      arguments: {},
      _meta: {
        [`${PREFIX}/protocolVersion`]: VERSION,
        [`${PREFIX}/clientCapabilities`]: {},
        [`${PREFIX}/clientInfo`]: { name: "kit", version: "1" },
      },
    },
  };
  const bytes = Buffer.from(method === "POST" ? body ?? JSON.stringify(call) : "");
  const given = Object.entries({
    host: new URL(url).host,
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "content-length": String(bytes.length),
    "mcp-protocol-version": VERSION,
    "mcp-method": "tools/call",
    "mcp-name": tool,
    ...headers,
  });
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const request = http.request(url, { method, setHost: false, agent: false, signal });
    for (const [name, value] of given) if (value !== null) request.setHeader(name, value);
    request.on("error", reject);
    request.on("response", (response) => {
      const status = response.statusCode ?? 0;
      const chunks: Buffer[] = [];
      const done = () => {
        request.destroy();
        resolve({ status, text: Buffer.concat(chunks).toString("utf8") });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        // A stream may stay open; one message is enough to judge by.
        if (chunk.includes("jsonrpc")) done();
      });
      response.on("end", done);
      // What was answered is known, however it breaks off.
      response.on("error", done);
    });
    request.end(bytes);
  });
}
