/**
 * Upper or lower case, code point by code point, as Go's `strings.ToUpper` and `ToLower` have it:
 * a letter whose other case is several letters (ß, ŉ) stays as it is.
 */
export function foldCase(text: string, to: "upper" | "lower"): string {
  let folded = "";
  for (const letter of text) {
    // U+0130: JavaScript keeps its dot as a second code point.
    const other = to === "upper"
      ? letter.toUpperCase()
      : letter === "\u0130"
      ? "i"
      : letter.toLowerCase();
    folded += isOneCodePoint(other) ? other : letter;
  }
  return folded;
}

function isOneCodePoint(text: string): boolean {
  return text.length === ((text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
}
