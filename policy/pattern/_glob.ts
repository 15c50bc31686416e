// Patterns with asterisks, matched by plain searches for the pieces between them.

/**
 * A test for the glob whose pieces these are; undefined where a search by code unit would not do:
 * a piece with a newline (which no asterisk crosses, but a piece may) or with half a character.
 */
export function globTest(pieces: readonly string[]): ((text: string) => boolean) | undefined {
  const first = pieces[0]!;
  if (pieces.length === 1) return (text) => text === first;
  if (!pieces.every(isPlain)) return undefined;
  const last = pieces[pieces.length - 1]!;
  const inner = pieces.slice(1, -1);
  const shortest = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return (text) => {
    if (text.length < shortest || !text.startsWith(first) || !text.endsWith(last)) return false;
    if (text.includes("\n")) return false;
    // The leftmost place for each piece leaves the most room for the rest.
    let from = first.length;
    for (const piece of inner) {
      const at = text.indexOf(piece, from);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return from <= text.length - last.length;
  };
}

/** Whether all asterisk-free text of a pattern can be compared by code unit. */
export function isPlain(piece: string): boolean {
  if (piece.includes("\n")) return false;
  for (let i = 0; i < piece.length; i++) {
    const unit = piece.codePointAt(i)!;
    if (unit > 0xffff) i++;
    else if (unit >= 0xd800 && unit <= 0xdfff) return false;
  }
  return true;
}
