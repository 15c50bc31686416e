/**
 * The text with its control characters made harmless, so that what a peer or a file says cannot
 * move a terminal's cursor, recolour it or pose as a line of our own. Tabs stay.
 */
export function visible(text: string): string {
  // Cf holds what turns the direction of text around, has no width, or tags text unseen.
  return text.replace(/[^\t\P{Cc}]|\p{Cf}|[\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
  });
}
