import { KeySet } from "./_keys.ts";
import { type Cursor, escape } from "./_strings.ts";
import { copyText, nextControl } from "./_text.ts";

/** Containers nested deeper than this are refused; serialisers elsewhere overflow on them. */
export const MAX_DEPTH = 128;

/** Hears of the members of the outermost object and of the objects directly inside it. */
export interface MemberListener {
  /** A key at depth 1 or 2 of which the value comes next; both positions are in the new bytes. */
  key(depth: 1 | 2, start: number, end: number, bytes: Uint8Array): void;
  /** The value of the last key of that depth. */
  value(depth: 1 | 2, start: number, end: number): void;
}

/** What is wrong with text that is JSON all the same. */
export type Ambiguity = "duplicate_key" | "too_deep";

export type Compacted =
  | { readonly bytes: Uint8Array; readonly ambiguity: Ambiguity | undefined }
  | undefined;

/**
 * Validates one JSON text (RFC 8259) and writes it anew: without white space, strings with no
 * more escapes than they need, numbers digit by digit. `undefined` if it is not JSON. An ambiguity
 * does not stop the work, so that the id of the message, which often comes last, is still found.
 */
export function compact(
  line: Uint8Array,
  listener: MemberListener,
  maxDepth = MAX_DEPTH,
): Compacted {
  const text = copyText(line);
  return text && new Compactor(text.bytes, text.length, listener, maxDepth).run();
}

/** Edits the text in place: what is written never overtakes what is read. */
class Compactor implements Cursor {
  i = 0;
  o = 0;
  readonly #bytes: Uint8Array;
  readonly #length: number;
  readonly #listener: MemberListener;
  readonly #keys: KeySet;
  readonly #maxDepth: number;
  #ambiguity: Ambiguity | undefined;
  #depth = 0;
  /** For each open container, 1 if it is an object. */
  readonly #objects: number[] = [];
  /** Where the value in hand began, at depth 1 and 2. */
  readonly #begun: [number, number, number] = [0, 0, 0];
  // The next byte of each kind at or after the last place that asked; each is searched for
  // once, so that many short runs in one long text stay linear.
  #quote = -1;
  #backslash = -1;
  #control = -1;

  constructor(bytes: Uint8Array, length: number, listener: MemberListener, maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#bytes = bytes;
    this.#length = length;
    this.#listener = listener;
    this.#keys = new KeySet(bytes);
  }

  run(): Compacted {
    const b = this.#bytes;
    for (;;) {
      // A value is due.
      let c = this.#token();
      if (this.#depth <= 2) this.#begun[this.#depth as 0 | 1 | 2] = this.o;
      if (c === 0x22) {
        if (!this.#string()) return undefined;
      } else if (c === 0x7b) {
        this.#open(1);
        if (this.#token() !== 0x7d) {
          if (!this.#key()) return undefined;
          continue;
        }
        this.#close();
      } else if (c === 0x5b) {
        this.#open(0);
        if (this.#token() !== 0x5d) continue;
        this.#close();
      } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
        if (!this.#number(c)) return undefined;
      } else if (!this.#literal(c)) {
        return undefined;
      }
      // A value is complete; so may be the containers around it.
      for (;;) {
        const depth = this.#depth;
        if (depth === 0) return this.#finish();
        const inObject = this.#objects[depth - 1] === 1;
        if (depth <= 2 && inObject) {
          this.#listener.value(depth as 1 | 2, this.#begun[depth as 1 | 2], this.o);
        }
        c = this.#token();
        if (c === 0x2c) {
          b[this.o++] = c;
          this.i++;
          if (inObject) {
            if (this.#token() !== 0x22 || !this.#key()) return undefined;
          }
          break;
        }
        if (c !== (inObject ? 0x7d : 0x5d)) return undefined;
        this.#close();
      }
    }
  }

  #finish(): Compacted {
    this.#token();
    if (this.i !== this.#length) return undefined;
    return { bytes: this.#bytes.subarray(0, this.o), ambiguity: this.#ambiguity };
  }

  /** Skips white space; the byte that begins the next token. */
  #token(): number {
    const b = this.#bytes;
    let c = b[this.i]!;
    while (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d) c = b[++this.i]!;
    return c;
  }

  #open(object: 0 | 1): void {
    this.#bytes[this.o++] = object === 1 ? 0x7b : 0x5b;
    this.i++;
    this.#objects[this.#depth++] = object;
    if (this.#depth > this.#maxDepth) this.#ambiguity ??= "too_deep";
    else if (object === 1) this.#keys.open();
  }

  #close(): void {
    const object = this.#objects[--this.#depth] === 1;
    this.#bytes[this.o++] = object ? 0x7d : 0x5d;
    this.i++;
    if (object && this.#depth < this.#maxDepth) this.#keys.close();
  }

  /** A key with its colon. */
  #key(): boolean {
    const b = this.#bytes;
    const start = this.o + 1;
    if (b[this.i] !== 0x22 || !this.#string()) return false;
    const end = this.o - 1;
    const depth = this.#depth;
    if (depth <= this.#maxDepth && !this.#keys.add(start, end)) this.#ambiguity ??= "duplicate_key";
    // Depth 2 is of interest inside objects only, and there it is always a member's value.
    if (depth <= 2 && this.#objects[0] === 1) {
      this.#listener.key(depth as 1 | 2, start, end, b);
    }
    if (this.#token() !== 0x3a) return false;
    b[this.o++] = 0x3a;
    this.i++;
    return true;
  }

  /** The string whose opening quote is next. */
  #string(): boolean {
    const b = this.#bytes;
    let i = this.i + 1;
    let o = this.o;
    b[o++] = 0x22;
    let near = i + NEAR;
    for (;;) {
      const c = b[i]!;
      if (c === 0x22) {
        b[o++] = c;
        this.i = i + 1;
        this.o = o;
        return true;
      }
      if (c === 0x5c) {
        this.i = i;
        this.o = o;
        if (!escape(b, this)) return false;
        i = this.i;
        o = this.o;
        near = i + NEAR;
      } else if (c < 0x20) {
        return false;
      } else if (i < near) {
        b[o++] = c;
        i++;
      } else {
        const stop = this.#plainUntil(i);
        if (stop < 0) return false;
        if (o !== i) b.copyWithin(o, i, stop);
        o += stop - i;
        i = stop;
      }
    }
  }

  /** Where the plain run at `i` ends, found by native searches. */
  #plainUntil(i: number): number {
    const b = this.#bytes;
    if (this.#quote < i) this.#quote = search(b, 0x22, i);
    if (this.#backslash < i) this.#backslash = search(b, 0x5c, i);
    if (this.#control < i) this.#control = nextControl(b, i);
    return Math.min(this.#quote, this.#backslash, this.#control);
  }

  #number(first: number): boolean {
    const b = this.#bytes;
    let i = this.i;
    if (first === 0x2d) i++;
    const whole = b[i] === 0x30 ? i + 1 : digits(b, i);
    if (whole === i) return false;
    i = whole;
    if (b[i] === 0x2e) {
      const end = digits(b, i + 1);
      if (end === i + 1) return false;
      i = end;
    }
    if (b[i] === 0x65 || b[i] === 0x45) {
      const sign = b[i + 1];
      const start = sign === 0x2b || sign === 0x2d ? i + 2 : i + 1;
      const end = digits(b, start);
      if (end === start) return false;
      i = end;
    }
    let o = this.o;
    for (let k = this.i; k < i; k++) b[o++] = b[k]!;
    this.i = i;
    this.o = o;
    return true;
  }

  #literal(first: number): boolean {
    const b = this.#bytes;
    const word = first === 0x74 ? TRUE : first === 0x66 ? FALSE : NULL;
    for (let k = 0; k < word.length; k++) {
      if (b[this.i] !== word[k]) return false;
      b[this.o++] = b[this.i++]!;
    }
    return true;
  }
}

/** Behind the run of digits at `i`. */
function digits(bytes: Uint8Array, i: number): number {
  while (bytes[i]! >= 0x30 && bytes[i]! <= 0x39) i++;
  return i;
}

function search(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}

/** Up to this length a string is read byte by byte; beyond, a native search pays. */
const NEAR = 24;
const TRUE = new TextEncoder().encode("true");
const FALSE = new TextEncoder().encode("false");
const NULL = new TextEncoder().encode("null");
