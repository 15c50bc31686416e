/** What the bridge needs to know of a message that it carries: which call it is or answers. */
import { endOfString, endOfValue } from "./_skip.ts";
import { decodeString } from "./json.ts";

export interface Peek {
  /**
   * The id as JSON text (`1`, `"1"`); a string in the shortest form, so that answers match. Absent
   * when there are two, or when it is neither a string nor a safe integer: no answer will carry it.
   */
  readonly id: string | undefined;
  readonly method: string | undefined;
}

/**
 * Reads `id` and `method` of the message on a line and nothing else. It validates nothing and
 * decides nothing: that is the gate's work at the other end. Never throws.
 */
export function peekMessage(line: Uint8Array): Peek {
  let id: string | undefined;
  let ids = 0;
  let method: string | undefined;
  const end = line.length;
  let i = token(line, 0);
  if (line[i] !== 0x7b) return { id, method };
  i = token(line, i + 1);
  while (i < end && line[i] === 0x22) {
    const keyEnd = endOfString(line, i, end);
    const colon = token(line, keyEnd);
    if (line[colon] !== 0x3a) break;
    const start = token(line, colon + 1);
    const valueEnd = endOfValue(line, start, end);
    // A value that nothing follows was cut off; what is left of it is not it.
    if (valueEnd >= end) break;
    const key = read(line, i, keyEnd);
    if (key === "id") id = ++ids === 1 ? idText(line, start, valueEnd) : undefined;
    else if (key === "method" && line[start] === 0x22) method = read(line, start, valueEnd);
    i = token(line, valueEnd);
    if (line[i] !== 0x2c) break;
    i = token(line, i + 1);
  }
  return { id, method };
}

function idText(line: Uint8Array, start: number, end: number): string | undefined {
  if (line[start] !== 0x22) {
    const lexeme = utf8.decode(line.subarray(start, end));
    // In the one form in which the gate takes it.
    return Number.isSafeInteger(Number(lexeme)) && String(Number(lexeme)) === lexeme
      ? lexeme
      : undefined;
  }
  const text = read(line, start, end);
  return text === undefined ? undefined : JSON.stringify(text);
}

/** The string between two quotes; `undefined` if it is not JSON after all, or too long to matter. */
function read(line: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > MAX_NAME_BYTES) return undefined;
  try {
    return decodeString(line, start + 1, end - 1);
  } catch {
    return undefined;
  }
}

function token(line: Uint8Array, from: number): number {
  let i = from;
  while (line[i] === 0x20 || line[i] === 0x09 || line[i] === 0x0d || line[i] === 0x0a) i++;
  return i;
}

const MAX_NAME_BYTES = 1024;
const utf8 = new TextDecoder();
