/** What a transport has to know of a message of the client. */
import { JsonView } from "../wire/json.ts";

/**
 * A message that the gate has written, so it is compact and no key is in it twice; views read it
 * as it is.
 */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly kind: "request" | "notification" | "response";
  /** The id as JSON text, in the shortest form. */
  readonly id: string | undefined;
  readonly method: string;
  readonly params: JsonView | undefined;
  /** The revision that the message says it speaks, if it is one without sessions. */
  readonly modern: string | undefined;
}

export function readOutgoing(bytes: Uint8Array): Outgoing {
  const message = new JsonView(bytes, 0, bytes.length);
  const id = idText(message.member("id"));
  const method = message.member("method")?.string();
  const params = message.member("params");
  const kind = method === undefined ? "response" : id === undefined ? "notification" : "request";
  const version = method === undefined ? undefined : params?.member("_meta")?.member(VERSION);
  const modern = version === undefined ? undefined : version.string() ?? "";
  return {
    bytes,
    kind,
    id,
    method: method ?? "",
    params,
    modern: modern === undefined || LEGACY.has(modern) ? undefined : modern,
  };
}

/** An id as JSON text, such that equal ids are equal texts. */
export function idText(id: JsonView | undefined): string | undefined {
  const text = id?.string();
  return text === undefined ? id?.text() : JSON.stringify(text);
}

const VERSION = "io.modelcontextprotocol/protocolVersion";
/** The revisions with sessions; a message may name one of them, and means no other rules by it. */
const LEGACY: ReadonlySet<string> = new Set([
  "2024-10-07",
  "2024-11-05",
  "2025-03-26",
  "2025-06-18",
  "2025-11-25",
]);
