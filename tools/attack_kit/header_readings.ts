/**
 * Over HTTP a server, or what stands before it, may go by headers (2026-07-28: `Mcp-Method`,
 * `Mcp-Name`, `Mcp-Param-*`). They have to say what the body says, and nothing that a client has
 * written may become one by itself.
 */
import { Buffer } from "node:buffer";

/** A request over HTTP without its body, as the kit's server has seen it. */
export interface HttpHead {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Headers of this kind only a row can have brought about. */
const INJECTED = /^x-kit-/;

/** What is wrong with the headers of a request. */
export function wrongHeaders(body: Buffer, { headers, url }: HttpHead): string[] {
  const problems: string[] = [];
  if (url !== "/mcp") {
    problems.push(`the server is asked for ${url}, which nobody named but itself`);
  }
  for (const name of Object.keys(headers)) {
    if (INJECTED.test(name)) problems.push(`the server gets the header ${name}`);
  }
  const { method, params = {} } = lastReading(body);
  const says: [string, unknown][] = [
    ["mcp-method", method],
    ["mcp-name", params.name ?? params.uri ?? params.taskId],
    ["mcp-param-message", params.arguments?.message],
  ];
  for (const [name, inBody] of says) {
    const header = headers[name];
    if (header === undefined || decoded(header) === String(inBody)) continue;
    problems.push(`the header ${name} says ${JSON.stringify(decoded(header))}, the body ${inBody}`);
  }
  return problems;
}

interface Reading {
  readonly method?: unknown;
  readonly params?: {
    readonly name?: unknown;
    readonly uri?: unknown;
    readonly taskId?: unknown;
    readonly arguments?: { readonly message?: unknown };
  };
}

function lastReading(body: Buffer): Reading {
  try {
    return JSON.parse(body.toString("utf8")) ?? {};
  } catch {
    return {};
  }
}

/** SEP-2243: a value that a header cannot carry is in base64, between marks. */
function decoded(value: string): string {
  const encoded = /^=\?base64\?(.*)\?=$/i.exec(value)?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, "base64").toString("utf8");
}
