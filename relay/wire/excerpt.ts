import { compact } from "./compact.ts";
import { JsonView } from "./json.ts";
import { peekMessage } from "./peek.ts";
import type { MessageId } from "./refusal.ts";
import { messageId } from "./scanner.ts";

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
  return asId(peekMessage(head).id) ?? fromTail(tail);
}

function fromTail(tail: Uint8Array): MessageId | undefined {
  const end = tail.subarray(-MAX_TAIL);
  // One character a byte, so that an index in the text is one in the bytes.
  const at = latin1.decode(end).lastIndexOf('"id"');
  if (at < 0) return undefined;
  const object = new Uint8Array(end.length - at + 1);
  object[0] = 0x7b;
  object.set(end.subarray(at), 1);
  // It reads as an object only if the brace at the end closes the one that the id is in; in a
  // JSON text that is the outermost.
  let id: JsonView | undefined;
  let bytes: Uint8Array = object;
  const compacted = compact(object, {
    key: (_depth, _start, _end, written) => void (bytes = written),
    value(depth, start, stop) {
      if (depth === 1) id ??= new JsonView(bytes, start, stop);
    },
  });
  return compacted === undefined ? undefined : messageId(id);
}

/** The id that stands there as JSON text. */
export function asId(json: string | undefined): MessageId | undefined {
  if (json === undefined) return undefined;
  const bytes = utf8.encode(json);
  return messageId(new JsonView(bytes, 0, bytes.length));
}

/** An id with its key and a little more, as they end a message. */
const MAX_TAIL = 2048;
const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");
