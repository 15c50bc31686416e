import { SyntaxProblem } from "./_ast.ts";

/** Walks a pattern's text by code point and knows where it stands (in UTF-16 code units). */
export class Reader {
  readonly #text: string;
  offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  get done(): boolean {
    return this.offset >= this.#text.length;
  }

  /** The code unit ahead as a string, empty at the end. */
  get peek(): string {
    return this.#text.charAt(this.offset);
  }

  ahead(units: number): string {
    return this.#text.substr(this.offset, units);
  }

  slice(from: number, to: number): string {
    return this.#text.slice(from, to);
  }

  /** Where `wanted` comes next, or the length of the text. */
  find(wanted: string): number {
    const at = this.#text.indexOf(wanted, this.offset);
    return at < 0 ? this.#text.length : at;
  }

  next(): number {
    const codePoint = this.#text.codePointAt(this.offset)!;
    this.offset += codePoint > 0xffff ? 2 : 1;
    return codePoint;
  }

  take(wanted: string): boolean {
    if (!this.#text.startsWith(wanted, this.offset)) return false;
    this.offset += wanted.length;
    return true;
  }

  /** A decimal number without leading zeros; undefined (and nothing read) if there is none. */
  integer(): number | undefined {
    let end = this.offset;
    while (isDigit(this.#text.charAt(end))) end++;
    const digits = this.#text.slice(this.offset, end);
    if (digits === "" || (digits.length > 1 && digits.startsWith("0"))) return undefined;
    this.offset = end;
    return digits.length > 8 ? Infinity : Number(digits);
  }

  fail(message: string, at = this.offset): never {
    throw new SyntaxProblem(message, at);
  }
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9";
}
