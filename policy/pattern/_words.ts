// Expressions that match a few words and nothing else: `^(get|list)_issue$` is two. Such a one is
// asked by comparing, with no automaton to build.
import type { Node } from "./_ast.ts";

const MAX_WORDS = 16;
const MAX_LENGTH = 256;

/** All texts in which the expression is found, if it is anchored at both ends and they are few. */
export function wordsOf(node: Node): readonly string[] | undefined {
  if (node.op === "group") return wordsOf(node.of);
  if (node.op !== "cat") return undefined;
  const first = node.items[0];
  const last = node.items.at(-1);
  if (first?.op !== "assert" || first.assertion !== "begin_text") return undefined;
  if (last?.op !== "assert" || last.assertion !== "end_text") return undefined;
  return joined(node.items.slice(1, -1));
}

function words(node: Node): readonly string[] | undefined {
  switch (node.op) {
    case "empty":
      return [""];
    case "set":
      return letters(node.set);
    case "cat":
      return joined(node.items);
    case "alt": {
      const all: string[] = [];
      for (const item of node.items) {
        const some = words(item);
        if (!some || all.push(...some) > MAX_WORDS) return undefined;
      }
      return all;
    }
    case "group":
      return words(node.of);
    case "assert":
    case "repeat":
      return undefined;
  }
}

/** Every way to take a word of each part in turn. */
function joined(nodes: readonly Node[]): readonly string[] | undefined {
  let all: readonly string[] = [""];
  for (const node of nodes) {
    const next = words(node);
    if (!next || all.length * next.length > MAX_WORDS) return undefined;
    all = all.flatMap((start) => next.map((end) => start + end));
    if (all.some(({ length }) => length > MAX_LENGTH)) return undefined;
  }
  return all;
}

function letters(set: readonly number[]): readonly string[] | undefined {
  const all: string[] = [];
  for (let i = 0; i < set.length; i += 2) {
    const [low, high] = [set[i]!, set[i + 1]!];
    // Two halves of a character, put side by side, would become that character.
    if (high - low >= MAX_WORDS || (low <= 0xdfff && high >= 0xd800)) return undefined;
    for (let c = low; c <= high; c++) if (all.push(String.fromCodePoint(c)) > MAX_WORDS) return;
  }
  return all;
}
