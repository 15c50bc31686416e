import type { JsonView } from "./json.ts";

/** A span of a message and what stands there instead. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: readonly Uint8Array[];
}

/** Puts `text`, which is compact JSON, in the place of a value. */
export function replaceValue(value: JsonView, ...text: Uint8Array[]): Edit {
  return { start: value.start, end: value.end, text };
}

/** Sets a member of an object: in its place, or as the first one. */
export function setMember(object: JsonView, name: string, json: string): Edit {
  const value = object.member(name);
  if (value !== undefined) return replaceValue(value, utf8.encode(json));
  const at = object.start + 1;
  const comma = object.bytes[at] === 0x7d ? "" : ",";
  return { start: at, end: at, text: [utf8.encode(`${JSON.stringify(name)}:${json}${comma}`)] };
}

/** The array with only these of its elements, each byte for byte. */
export function keepElements(array: JsonView, kept: readonly JsonView[]): Edit {
  const text: Uint8Array[] = [];
  for (const element of kept) text.push(text.length === 0 ? OPEN : COMMA, element.slice());
  text.push(text.length === 0 ? EMPTY : CLOSE);
  return replaceValue(array, ...text);
}

/** A copy of a message with edits, which must not overlap, in any order. */
export function applyEdits(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  if (edits.length === 0) return bytes;
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(from, start), ...text);
    from = end;
  }
  parts.push(bytes.subarray(from));
  let length = 0;
  for (const part of parts) length += part.length;
  const edited = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    edited.set(part, at);
    at += part.length;
  }
  return edited;
}

const utf8 = new TextEncoder();
const OPEN = utf8.encode("[");
const CLOSE = utf8.encode("]");
const COMMA = utf8.encode(",");
const EMPTY = utf8.encode("[]");
