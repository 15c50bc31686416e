/**
 * The text with its control characters made harmless, so that what a peer or a file says cannot
 * move a terminal's cursor, recolour it or pose as a line of our own. Tabs stay.
 */
export function visible(text: string): string {
  // Cf holds the characters that turn the direction of text around.
  return text.replace(/[^\t\P{Cc}]|[\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
