import { JsonView } from "../wire/json.ts";
import { peekMessage } from "../wire/peek.ts";
import type { MessageId } from "../wire/refusal.ts";
import { messageId, scanMessage } from "../wire/scanner.ts";

/** What is left of a line that was too long to keep. */
export interface Excerpt {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  /** Length of the whole line. */
  readonly bytes: number;
}

/**
 * The id of a message of which only the ends are known. It is looked for where nothing inside the
 * message can pose as it: before the cut at the top level, or as the very last member.
 */
export function excerptId({ head, tail }: Excerpt): MessageId | undefined {
  return fromHead(head) ?? fromTail(tail);
}

function fromHead(head: Uint8Array): MessageId | undefined {
  const { id } = peekMessage(head);
  if (id === undefined) return undefined;
  // The cut may have gone through the id itself: then it is the last thing there.
  const text = utf8.encode(id);
  const cut = head.subarray(-text.length).every((byte, i) => byte === text[i]);
  return cut ? undefined : asId(id);
}

function fromTail(tail: Uint8Array): MessageId | undefined {
  const end = tail.subarray(-MAX_TAIL);
  // One character a byte, so that an index in the text is one in the bytes.
  const at = latin1.decode(end).lastIndexOf('"id"');
  if (at < 0) return undefined;
  const line = new Uint8Array(PREFIX.length + end.length - at);
  line.set(PREFIX);
  line.set(end.subarray(at), PREFIX.length);
  // It parses only if the top level's own brace follows.
  const scan = scanMessage(line);
  return scan.ok && scan.message.kind === "request" ? scan.message.id : undefined;
}

/** The id that stands there as JSON text. */
export function asId(json: string | undefined): MessageId | undefined {
  if (json === undefined) return undefined;
  const bytes = utf8.encode(json);
  return messageId(new JsonView(bytes, 0, bytes.length));
}

/** An id with its key, as they end a message. */
const MAX_TAIL = 1024 + 64;
const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");
const PREFIX = utf8.encode('{"jsonrpc":"2.0","method":"x",');
