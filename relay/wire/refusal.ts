/** Why a line is no message that may pass, and what its sender is told. */

/** An id with its type: 1 and "1" are different requests. */
export interface MessageId {
  /** `n:1` or `s:1`: what requests and responses are matched by. */
  readonly key: string;
  /** The id as JSON text, exactly as the requester wrote it. */
  readonly json: string;
}

/** Stable words for the audit log. */
export type RefusalReason =
  | "not_json"
  | "batch"
  | "not_object"
  | "duplicate_key"
  | "ambiguous_key"
  | "too_deep"
  | "bad_version"
  | "bad_id"
  | "bad_method"
  | "bad_params"
  | "bad_response"
  | "unknown_member"
  | "too_large";

export interface Refusal {
  readonly code: -32700 | -32600 | -32602;
  readonly reason: RefusalReason;
  /** For the peer: what was found, without repeating it. */
  readonly message: string;
  /** `undefined` when the line has no usable id. */
  readonly id: MessageId | undefined;
  /** The method, if one could be read; for the audit log only. */
  readonly method: string | undefined;
  /** False for what looks like a response: nobody waits for an answer to an answer. */
  readonly reply: boolean;
}

/**
 * A JSON-RPC error as compact bytes. Without a usable id the member is left out: clients built on
 * the common SDK reject a message whose id is null.
 */
export function errorReply(
  id: MessageId | undefined,
  code: number,
  message: string,
  data?: unknown,
): Uint8Array {
  const error = JSON.stringify(data === undefined ? { code, message } : { code, message, data });
  const member = id === undefined ? "" : `"id":${id.json},`;
  return utf8.encode(`{"jsonrpc":"2.0",${member}"error":${escapeSeparators(error)}}`);
}

/** U+2028 and U+2029 end a line for some readers of lines. */
export function escapeSeparators(json: string): string {
  return json.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

const utf8 = new TextEncoder();
