/** Headers of HTTP requests to servers of apps: which are not the configuration's, and what fits. */

/** The header that carries the token that the cluster signs; the original's name. */
export const JWT_HEADER = "teleport-jwt-assertion";

/** Traits that templates of headers may name, beside those that templates of roles may. */
export const HEADER_TRAITS: readonly string[] = ["id_token"];

/** RFC 9110 §7.6.1 and what belongs to the connection besides. */
const CONNECTION = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What the MCP transport itself writes. */
const TRANSPORT = new Set(["accept", "accept-encoding", "host", "last-event-id", "range"]);

/** Why an app's configuration cannot set a header; undefined when it can. */
export function reservedHeader(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (CONNECTION.has(lower)) return "it belongs to the connection";
  if (lower.startsWith("mcp-")) return "it belongs to MCP";
  if (TRANSPORT.has(lower) || lower.startsWith("content-")) return "it belongs to the transport";
  if (lower === JWT_HEADER) return "it carries the token that the cluster signs";
  return lower.startsWith("x-forwarded-") ? "servers believe it about the connection" : undefined;
}

/** RFC 9110 §5.5, narrowed to what every implementation reads alike: printable ASCII and spaces. */
export function validHeaderValue(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value);
}
