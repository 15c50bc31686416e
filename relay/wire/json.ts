/**
 * Looks into compact JSON that the scanner has written, without building values: a view is three
 * numbers, so names like `__proto__` and numbers like 1e400 are as safe as any other. It relies
 * on what the scanner guarantees: valid, no white space, no key twice.
 */
import { endOfString, endOfValue } from "./_skip.ts";

export type JsonType = "object" | "array" | "string" | "number" | "boolean" | "null";

export class JsonView {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get type(): JsonType {
    return TYPES.get(this.bytes[this.start]!) ?? "number";
  }

  /** The decoded string; `undefined` if the value is something else. */
  string(): string | undefined {
    if (this.bytes[this.start] !== 0x22) return undefined;
    return decodeString(this.bytes, this.start + 1, this.end - 1);
  }

  /** The JSON text itself. */
  text(): string {
    return decode(this.bytes, this.start, this.end);
  }

  /** The bytes of the JSON text, not copied. */
  slice(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** The members of an object in their order; none if the value is something else. */
  members(): [key: string, value: JsonView][] {
    const found: [string, JsonView][] = [];
    this.#eachMember((keyStart, keyEnd, start, end) => {
      found.push([
        decodeString(this.bytes, keyStart, keyEnd),
        new JsonView(this.bytes, start, end),
      ]);
      return false;
    });
    return found;
  }

  /** The member of that name, if the value is an object that has it. */
  member(name: string): JsonView | undefined {
    let found: JsonView | undefined;
    this.#eachMember((keyStart, keyEnd, start, end) => {
      if (decodeString(this.bytes, keyStart, keyEnd) !== name) return false;
      found = new JsonView(this.bytes, start, end);
      return true;
    });
    return found;
  }

  /** The elements of an array in their order; none if the value is something else. */
  elements(): JsonView[] {
    const found: JsonView[] = [];
    if (this.bytes[this.start] !== 0x5b) return found;
    const last = this.end - 1;
    for (let i = this.start + 1; i < last;) {
      const end = endOfValue(this.bytes, i, last);
      found.push(new JsonView(this.bytes, i, end));
      i = end + 1;
    }
    return found;
  }

  #eachMember(
    visit: (keyStart: number, keyEnd: number, start: number, end: number) => boolean,
  ): void {
    if (this.bytes[this.start] !== 0x7b) return;
    const last = this.end - 1;
    for (let i = this.start + 1; i < last;) {
      const keyEnd = endOfString(this.bytes, i, last);
      const end = endOfValue(this.bytes, keyEnd + 1, last);
      if (visit(i + 1, keyEnd - 1, keyEnd + 1, end)) return;
      i = end + 1;
    }
  }
}

/** The value of the string whose content, without quotes, is given. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  if (!hasEscape(bytes, start, end)) return decode(bytes, start, end);
  // One string literal that the scanner has validated: the native decoder cannot misread it.
  return JSON.parse(decode(bytes, start - 1, end + 1));
}

function hasEscape(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > SHORT) return bytes.subarray(start, end).includes(0x5c);
  for (let i = start; i < end; i++) if (bytes[i] === 0x5c) return true;
  return false;
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let text = "";
    let i = start;
    for (; i < end && bytes[i]! < 0x80; i++) text += String.fromCharCode(bytes[i]!);
    if (i === end) return text;
  }
  return utf8.decode(bytes.subarray(start, end));
}

/** The type that a value's first byte tells; a digit or a minus sign begins a number. */
const TYPES: ReadonlyMap<number, JsonType> = new Map([
  [0x7b, "object"],
  [0x5b, "array"],
  [0x22, "string"],
  [0x74, "boolean"],
  [0x66, "boolean"],
  [0x6e, "null"],
]);
const SHORT = 24;
// Without ignoreBOM a name that begins with U+FEFF would lose it.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
