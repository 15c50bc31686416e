// Which of many characters to show a person.
import { contains } from "./_charset.ts";
import { unicodeClass } from "./_unicode.ts";

/** A character that stands for its class; `rank` is low for those that read best in a name. */
export interface Sample {
  /** -1 if the class has nothing but surrogates. */
  readonly codePoint: number;
  readonly printable: boolean;
  readonly rank: number;
}

const BEST_FIRST = "abcdefghijklmnopqrstuvwxyz_0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ" +
  "./:@+=,;!?#%&*$^~|'\"`<>()[]{}\\";
const PRINTABLE = ["L", "N", "P", "S"];
/** How far into each range to look for something printable. */
const LOOK = 64;

/** Picks the character of a class (ranges, low and high in turn) that reads best. */
export function sampleOf(ranges: readonly number[]): Sample {
  for (let rank = 0; rank < BEST_FIRST.length; rank++) {
    const codePoint = BEST_FIRST.charCodeAt(rank);
    if (contains(ranges, codePoint)) return { codePoint, printable: true, rank };
  }
  let first = -1;
  for (let i = 0; i < ranges.length; i += 2) {
    const [low, high] = [ranges[i]!, ranges[i + 1]!];
    for (let c = low; c <= high && c < low + LOOK; c++) {
      if (c >= 0xd800 && c <= 0xdfff) c = 0xe000;
      if (c > high) break;
      if (first < 0) first = c;
      if (isPrintable(c)) return { codePoint: c, printable: true, rank: c };
    }
  }
  return { codePoint: first, printable: false, rank: first };
}

function isPrintable(codePoint: number): boolean {
  // A space is printable, but only just: it comes after all that can be seen.
  if (codePoint === 0x20) return true;
  return codePoint > 0x7f && PRINTABLE.some((name) => contains(unicodeClass(name)!, codePoint));
}
