/**
 * Reads one line as one JSON-RPC message of MCP, strictly, and writes it anew. What a scan
 * returns is all that anybody decides on and all that is forwarded; the received bytes go no
 * further. Guaranteed of a message: valid JSON in valid UTF-8 without white space; no object with
 * a key twice; no key that differs from an interpreted one in case only; an id that is a string
 * or a safe integer; a version, members and kinds that JSON-RPC 2.0 knows. Number lexemes, code
 * points and the order of keys are the sender's. Never throws.
 */
import { compact, MAX_DEPTH, type MemberListener } from "./compact.ts";
import { INNER_MEMBERS, isCaseTwin, MESSAGE_MEMBERS } from "./known_members.ts";
import { Names } from "./_names.ts";
import { decodeString, JsonView } from "./json.ts";
import type { MessageId, Refusal, RefusalReason } from "./refusal.ts";

export type ScanResult =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly refusal: Refusal };

export type Message = RequestMessage | NotificationMessage | ResultMessage | ErrorMessage;

interface Scanned {
  /** The message in compact form, without a line end. */
  readonly bytes: Uint8Array;
  /** The interpreted members of `params`, `result` or `error` (`known_members.ts`), by name. */
  readonly inner: ReadonlyMap<string, JsonView>;
}

export interface RequestMessage extends Scanned {
  readonly kind: "request";
  readonly id: MessageId;
  readonly method: string;
  readonly params: JsonView | undefined;
}

export interface NotificationMessage extends Scanned {
  readonly kind: "notification";
  readonly method: string;
  readonly params: JsonView | undefined;
}

export interface ResultMessage extends Scanned {
  readonly kind: "result";
  readonly id: MessageId;
  readonly result: JsonView;
}

export interface ErrorMessage extends Scanned {
  readonly kind: "error";
  /** Absent when the peer could not tell which request it answers. */
  readonly id: MessageId | undefined;
  readonly error: JsonView;
}

/** Scans one line, without its LF; one CR at its end is dropped. */
export function scanMessage(line: Uint8Array, maxDepth = MAX_DEPTH): ScanResult {
  const text = line[line.length - 1] === 0x0d ? line.subarray(0, -1) : line;
  const members = new Members();
  const compacted = compact(text, members, maxDepth);
  if (compacted === undefined) {
    return refuse(members, "not_json", "The message is not valid JSON in UTF-8", -32700);
  }
  const { bytes, ambiguity } = compacted;
  if (bytes[0] === 0x5b) return refuse(members, "batch", "Batches are not supported");
  if (bytes[0] !== 0x7b) return refuse(members, "not_object", "The message is not an object");
  if (ambiguity === "duplicate_key") {
    return refuse(members, "duplicate_key", "An object has the same key twice");
  }
  if (ambiguity === "too_deep") {
    return refuse(members, "too_deep", `The message is nested deeper than ${maxDepth} levels`);
  }
  if (members.twin) {
    return refuse(members, "ambiguous_key", "A key differs from a known one only in case");
  }
  if (members.unknown) {
    return refuse(
      members,
      "unknown_member",
      "The message has a member that JSON-RPC does not know",
    );
  }
  if (members.top.get("jsonrpc")?.string() !== "2.0") {
    return refuse(members, "bad_version", 'The member jsonrpc is not "2.0"');
  }
  return members.top.has("method") ? call(bytes, members) : response(bytes, members);
}

function call(bytes: Uint8Array, members: Members): ScanResult {
  const { top, inner } = members;
  const params = top.get("params");
  if (top.has("result") || top.has("error")) {
    return refuse(members, "bad_method", "The message is both a request and a response");
  }
  const method = plainName(top.get("method"));
  if (method === undefined) {
    return refuse(members, "bad_method", "The method is not a plain string");
  }
  if (params !== undefined && params.type !== "object") {
    return refuse(members, "bad_params", "The member params is not an object", -32602);
  }
  if (!top.has("id")) {
    return { ok: true, message: { kind: "notification", bytes, inner, method, params } };
  }
  const id = messageId(top.get("id"));
  if (id === undefined) {
    return refuse(members, "bad_id", "The id is neither a string nor a safe integer");
  }
  return { ok: true, message: { kind: "request", bytes, inner, id, method, params } };
}

function response(bytes: Uint8Array, members: Members): ScanResult {
  const { top, inner } = members;
  const result = top.get("result");
  const error = top.get("error");
  const given = top.get("id");
  const id = messageId(given);
  if (result === undefined && error === undefined && !top.has("params")) {
    return refuse(members, "bad_method", "The message has no method");
  }
  if (top.has("params") || (result === undefined) === (error === undefined)) {
    return refuse(members, "bad_response", "A response has either a result or an error");
  }
  if (error !== undefined) {
    if (error.type !== "object") {
      return refuse(members, "bad_response", "The error is not an object");
    }
    if (id === undefined && given !== undefined && given.type !== "null") {
      return refuse(members, "bad_id", "The id is neither a string nor a safe integer");
    }
    return { ok: true, message: { kind: "error", bytes, inner, id, error } };
  }
  if (result === undefined || id === undefined) {
    return refuse(members, "bad_id", "The id is neither a string nor a safe integer");
  }
  return { ok: true, message: { kind: "result", bytes, inner, id, result } };
}

/**
 * A string that names something: it decides what happens, so it must read the same everywhere.
 * Controls and lone surrogates, which other programs cut at or replace, are not plain, and an
 * empty name names nothing.
 */
export function plainName(
  value: JsonView | undefined,
  limit: number = MAX_NAME_BYTES,
): string | undefined {
  if (value === undefined || value.end - value.start > limit) return undefined;
  const name = value.string();
  if (name === undefined || name === "" || !name.isWellFormed()) return undefined;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return undefined;
  }
  return name;
}

/** A string or an integer that every JSON reader takes for the same number. */
export function messageId(value: JsonView | undefined): MessageId | undefined {
  if (value === undefined || value.end - value.start > MAX_ID_BYTES) return undefined;
  if (value.type === "string") {
    const text = value.string()!;
    return text.isWellFormed() ? { key: `s:${text}`, json: value.text() } : undefined;
  }
  if (value.type !== "number") return undefined;
  const json = value.text();
  const integer = Number(json);
  // The shortest form is the only one accepted: 1.0, 1e0 and -0 come back changed from many.
  if (!Number.isSafeInteger(integer) || String(integer) !== json) return undefined;
  return { key: `n:${json}`, json };
}

function refuse(
  { top, repeatedId }: Members,
  reason: RefusalReason,
  message: string,
  code: Refusal["code"] = -32600,
): ScanResult {
  // A broken text may have a readable id, but nothing says that it is the sender's.
  const known = code === -32700 ? new Map<string, JsonView>() : top;
  const response = !known.has("method") && (known.has("result") || known.has("error"));
  const refusal: Refusal = {
    code,
    reason,
    message,
    id: repeatedId ? undefined : messageId(known.get("id")),
    method: plainName(known.get("method")),
    reply: !response,
  };
  return { ok: false, refusal };
}

/** Collects the members of the message and the interpreted ones inside them. */
class Members implements MemberListener {
  readonly top = new Map<string, JsonView>();
  readonly inner = new Map<string, JsonView>();
  twin = false;
  unknown = false;
  repeatedId = false;
  #bytes: Uint8Array = new Uint8Array();
  /** The known name of the member in hand, at depth 1 and 2. */
  #outer: string | undefined;
  #inner: string | undefined;

  key(depth: 1 | 2, start: number, end: number, bytes: Uint8Array): void {
    this.#bytes = bytes;
    const outer = depth === 1;
    const known = (outer ? MESSAGE_NAMES : INNER_NAMES).find(bytes, start, end);
    if (outer) this.#outer = known;
    else this.#inner = known;
    if (known !== undefined) return;
    const members = outer ? MESSAGE_MEMBERS : INNER_MEMBERS;
    if (isCaseTwin(decodeString(bytes, start, end), members)) this.twin = true;
    else if (outer) this.unknown = true;
  }

  value(depth: 1 | 2, start: number, end: number): void {
    const key = depth === 1 ? this.#outer : this.#inner;
    if (key === undefined) return;
    const value = new JsonView(this.#bytes, start, end);
    if (depth === 2) {
      this.inner.set(key, value);
      return;
    }
    if (key === "id" && this.top.has(key)) this.repeatedId = true;
    this.top.set(key, value);
  }
}

const MESSAGE_NAMES = new Names(MESSAGE_MEMBERS);
const INNER_NAMES = new Names(INNER_MEMBERS);

/** Names and ids are kept for a session and written to the audit log, so they end somewhere. */
export const MAX_NAME_BYTES = 1024;
export const MAX_URI_BYTES = 8192;
const MAX_ID_BYTES = 1024;
