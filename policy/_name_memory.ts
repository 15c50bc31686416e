/**
 * What was answered about names, within limits. Where judging is cheap a name is kept once it has
 * come twice: one that never comes again would cost more to keep than to judge.
 */

/** Names that one memory keeps, and the longest one worth it (in UTF-16 units). */
const MEMORY_LIMIT = 4096;
const NAME_LIMIT = 256;

/**
 * Marks of the names that came lately, of all memories together. A mark that another name has
 * overwritten only delays keeping; no answer rests on it.
 */
const seen = new Int32Array(1 << 13);
let memories = 0;
/** Tosses a coin, the same way in every run. */
let coin = 1;

export class NameMemory<Answer extends object> {
  readonly #answers = new Map<string, Answer>();
  /** What is kept at any time. */
  readonly known: ReadonlyMap<string, Answer> = this.#answers;
  readonly #salt = Math.imul(++memories, 0x9e3779b1);

  /** With `at: "first"` for answers that cost more to find than to keep. */
  constructor(private readonly at: "first" | "second" = "second") {}

  get(name: string): Answer | undefined {
    return this.#answers.get(name);
  }

  /** Takes note of an answer; returns it. */
  keep(name: string, answer: Answer): Answer {
    if (name.length > NAME_LIMIT) return answer;
    if (this.at === "second" && !this.#isSecond(name)) return answer;
    if (this.#answers.size >= MEMORY_LIMIT) this.#answers.clear();
    this.#answers.set(name, answer);
    return answer;
  }

  #isSecond(name: string): boolean {
    const mark = Math.imul(sample(name) ^ this.#salt, 0x85ebca6b);
    const place = mark >>> 19;
    if (seen[place] === mark) return true;
    // By a coin, so that of two names that share a place one gets in, and then the other.
    coin = Math.imul(coin, 1664525) + 1013904223 | 0;
    if (coin < 0) seen[place] = mark;
    return false;
  }
}

/** A number from the length and eight letters, most of them from the end, where names differ. */
function sample(name: string): number {
  const { length } = name;
  let hash = length;
  for (let back = 1; back <= 6; back++) {
    hash = Math.imul(hash, 31) + (back <= length ? name.charCodeAt(length - back) : 0);
  }
  hash = Math.imul(hash, 31) + (length > 0 ? name.charCodeAt(length >> 1) : 0);
  return Math.imul(hash, 31) + (length > 0 ? name.charCodeAt(length >> 2) : 0);
}
