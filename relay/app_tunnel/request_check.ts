/**
 * What a request must be before its body counts. A tunnel asks for no credential, so that nothing
 * but this keeps a web page in a browser of this machine from calling tools: a page may send a
 * request anywhere, but neither without its Origin, nor as JSON, nor under a name of this machine.
 */
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";
import type { Outgoing } from "../http/outgoing.ts";
import { modernHeaders, PROTOCOL_VERSION } from "../http/mcp_headers.ts";
import type { ToolParams } from "../http/tool_params.ts";

/** Whether Host names this machine: as loopback, or as one of the names it was told. */
export function isOurHost(host: string | undefined, allowed: readonly string[]): boolean {
  const name = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host ?? "")?.[1]?.toLowerCase();
  if (name === undefined) return false;
  return isLoopbackName(name) || allowed.some((it) => it.toLowerCase() === name);
}

/** Whether a request comes from no page, or from a page of this machine. */
export function isOurOrigin(origin: string | undefined, allowed: readonly string[]): boolean {
  if (origin === undefined) return true;
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
  return host !== undefined && isOurHost(host, allowed);
}

function isLoopbackName(name: string): boolean {
  return name === "localhost" || name === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/** Whether a caller takes each of these types; one that does not say takes any. */
export function accepts(accept: string | undefined, ...types: readonly string[]): boolean {
  if (accept === undefined) return true;
  const taken = accept.split(",").map((range) => range.split(";")[0]?.trim().toLowerCase());
  return types.every((type) =>
    taken.includes(type) || taken.includes("*/*") || taken.includes(`${type.split("/")[0]}/*`)
  );
}

export function isJson(contentType: string | undefined): boolean {
  return contentType?.split(";")[0]?.trim().toLowerCase() === "application/json";
}

/**
 * What a header says that the body does not, for a message that stands alone. A header that
 * repeats the body is read by others on the way, who must not be told something else.
 */
export function headerMismatch(
  message: Outgoing,
  headers: IncomingHttpHeaders,
  params: ToolParams,
): string | undefined {
  for (const [name, expected] of Object.entries(modernHeaders(message, params))) {
    const given = headers[name];
    if (given === undefined) return `there is no ${name}`;
    if (typeof given !== "string" || decoded(given.trim()) !== decoded(expected)) {
      return `${name} is not what the body says`;
    }
  }
  return headers[PROTOCOL_VERSION] === undefined ? `there is no ${PROTOCOL_VERSION}` : undefined;
}

/** What a request that stands alone has to say of its client and does not. */
export function missingMeta({ kind, params }: Outgoing): string | undefined {
  if (kind !== "request") return undefined;
  const capabilities = params?.member("_meta")?.member(CAPABILITIES);
  return capabilities?.type === "object"
    ? undefined
    : `Each request needs params._meta["${CAPABILITIES}"]`;
}

/** Why a message is refused whose header names a revision without sessions, and its body does not. */
export function notModern(
  { params }: Outgoing,
  version: string,
): { readonly code: number; readonly message: string } {
  return params?.member("_meta")?.member(VERSION) === undefined
    ? { code: -32602, message: `Each request needs params._meta["${VERSION}"]` }
    : {
      code: -32020,
      message: `Header mismatch: the body is not of ${version.slice(0, 64)}`,
    };
}

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

/** `=?base64?…?=` stands for what cannot be written plainly; anything else for itself. */
function decoded(value: string): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value)?.[1];
  if (encoded === undefined) return value;
  const bytes = Buffer.from(encoded, "base64");
  return bytes.toString("base64") === encoded ? bytes.toString("utf8") : undefined;
}
