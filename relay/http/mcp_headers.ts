/** The headers of MCP over HTTP, made from the message that they go with and from nothing else. */
import { Buffer } from "node:buffer";
import type { Outgoing } from "./outgoing.ts";
import type { ToolParams } from "./tool_params.ts";

export const SESSION_ID = "mcp-session-id";
export const LAST_EVENT_ID = "last-event-id";
export const PROTOCOL_VERSION = "mcp-protocol-version";

/** What a session with a server is known by; both are absent before it is open. */
export interface SessionHeaders {
  readonly sessionId: string | undefined;
  readonly protocolVersion: string | undefined;
}

/** For a message of the revisions with sessions, and for what has no message. */
export function legacyHeaders(session: SessionHeaders): Record<string, string> {
  const { sessionId, protocolVersion } = session;
  return {
    ...(sessionId !== undefined && { [SESSION_ID]: sessionId }),
    ...(protocolVersion !== undefined && { [PROTOCOL_VERSION]: protocolVersion }),
  };
}

/** For a message that stands alone, 2026-07-28 and later. */
export function modernHeaders(message: Outgoing, tools: ToolParams): Record<string, string> {
  const headers: Record<string, string> = { "mcp-method": encodeValue(message.method) };
  // What is no version must not become one by an encoding; without it the server refuses.
  if (isVersion(message.modern)) headers[PROTOCOL_VERSION] = message.modern;
  const source = NAMED_BY.get(message.method);
  const name = source && message.params?.member(source)?.string();
  if (name !== undefined) headers["mcp-name"] = encodeValue(name);
  return message.method === "tools/call" && name !== undefined
    ? { ...headers, ...tools.headers(name, message.params?.member("arguments")) }
    : headers;
}

/** A value as it is if a header can carry it so, and in Base64 with a mark otherwise. */
export function encodeValue(value: string): string {
  const plain = PLAIN.test(value) && !(value.startsWith(MARK) && value.endsWith(END));
  return plain ? value : `${MARK}${Buffer.from(value, "utf8").toString("base64")}${END}`;
}

/** A version that was negotiated or claimed, fit for a header. */
export function isVersion(value: string | undefined): value is string {
  return value !== undefined && /^[\x21-\x7e]{1,64}$/.test(value);
}

/** MCP: visible ASCII only. */
export function isSessionId(value: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(value);
}

/** White space at an end would be lost on the way, and so would be nothing at all. */
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;
const MARK = "=?base64?";
const END = "?=";

const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);
