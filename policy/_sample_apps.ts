import { type AppFacts, takesAny } from "./labels.ts";
import { compilePattern, type Pattern, witness } from "./pattern/mod.ts";
import type { LabelSelector, Role } from "./role.ts";

/** Kinds of apps that one comparison may tell apart. */
const APP_LIMIT = 1024;

/** Kinds of values that the patterns for one label may tell apart. */
const CELL_LIMIT = 128;

/** What a selector asks of an app's labels: by key, patterns of which one must match. */
type Wish = ReadonlyMap<string, readonly Pattern[]>;

/**
 * Apps that stand for all apps that the labels of some roles can tell apart: any other app is
 * treated by these roles like one of them. What labels alone do not tell is named in `undecided`.
 */
export function sampleApps(roles: readonly Role[], undecided: Set<string>): AppFacts[] {
  const wishes: Wish[] = [];
  for (const { allow, deny } of roles) {
    for (const { labels, expression } of [allow, deny]) {
      const wish = labels && wishOf(labels, undecided);
      if (wish) wishes.push(wish);
      if (!expression) continue;
      undecided.add(`${expression.ref.role}, ${expression.ref.path}: name the apps that there are`);
    }
  }
  // An app is known by the wishes that it may still fit; two that fit the same are the same.
  let kinds = new Map<string, Kind>([["", { labels: {}, fitting: wishes }]]);
  for (const key of new Set(wishes.flatMap((wish) => [...wish.keys()]))) {
    const values = [undefined, ...cells(key, wishes, undecided)];
    const next = new Map<string, Kind>();
    for (const { labels, fitting } of kinds.values()) {
      for (const value of values) {
        const still = fitting.filter((wish) => fits(wish, key, value));
        const id = wishes.map((wish) => still.includes(wish) ? 1 : 0).join("");
        // The first one found has the fewest labels.
        if (next.has(id)) continue;
        if (next.size >= APP_LIMIT) {
          undecided.add(`more than ${APP_LIMIT} kinds of apps: name the apps that there are`);
          break;
        }
        next.set(id, {
          labels: value === undefined ? labels : { ...labels, [key]: value },
          fitting: still,
        });
      }
    }
    kinds = next;
  }
  return [...kinds.values()].map(({ labels }) => ({ name: nameOf(labels), labels }))
    .sort((a, b) => Object.keys(a.labels).length - Object.keys(b.labels).length);
}

interface Kind {
  readonly labels: Readonly<Record<string, string>>;
  readonly fitting: readonly Wish[];
}

function nameOf(labels: Kind["labels"]): string {
  const shown = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    .map(([key, value]) => `${key}: ${value}`).join(", ");
  return shown === "" ? "an app without labels" : `an app with ${shown}`;
}

function fits(wish: Wish, key: string, value: string | undefined): boolean {
  const patterns = wish.get(key);
  if (patterns === undefined) return true;
  return value !== undefined && takesAny(patterns, value);
}

/** What a selector asks for; nothing when it fits no app, or all of them. */
function wishOf(selector: LabelSelector, undecided: Set<string>): Wish | undefined {
  const wish = new Map<string, readonly Pattern[]>();
  for (const { key, values, ref } of selector.labels) {
    const patterns = values.map(({ pattern }) => pattern).filter((p) => p !== undefined);
    if (key.kind === "template" || patterns.length < values.length) {
      undecided.add(`${ref.role}, ${ref.path}: name the apps and the bots that there are`);
      return undefined;
    }
    if (key.text === "*" && patterns.length === 1 && patterns[0]?.source === "*") return undefined;
    wish.set(key.text, patterns);
  }
  return wish.size > 0 ? wish : undefined;
}

/** Values of a label that stand for all: one for each way in which the patterns can match. */
function cells(key: string, wishes: readonly Wish[], undecided: Set<string>): string[] {
  const patterns = new Map(
    wishes.flatMap((wish) => wish.get(key) ?? []).map((pattern) => [pattern.source, pattern]),
  );
  // It matches every value, and so tells none apart.
  patterns.delete("*");
  const tooMany = () => undecided.add(`label ${key} has too many patterns: name the apps`);
  let found: Cell[] = [{ allOf: [], noneOf: [], text: "x" }];
  for (const pattern of patterns.values()) {
    const split: Cell[] = [];
    for (const cell of found) {
      const sides = [
        { allOf: [...cell.allOf, pattern], noneOf: cell.noneOf },
        { allOf: cell.allOf, noneOf: [...cell.noneOf, pattern] },
      ];
      for (const [matches, side] of sides.entries()) {
        // The text that stands for the whole also stands for the side on which it lies.
        const known = pattern.test(cell.text) === (matches === 0);
        const text = known ? cell.text : textIn(side, tooMany);
        if (text !== undefined) split.push({ ...side, text });
      }
    }
    if (split.length > CELL_LIMIT) tooMany();
    found = split.slice(0, CELL_LIMIT);
  }
  return found.map(({ text }) => text);
}

interface Cell {
  readonly allOf: readonly Pattern[];
  readonly noneOf: readonly Pattern[];
  readonly text: string;
}

/** A text of a cell, one that is not empty if there is one. */
function textIn({ allOf, noneOf }: Omit<Cell, "text">, doubt: () => unknown): string | undefined {
  for (const question of [{ allOf, noneOf: [...noneOf, ...EMPTY] }, { allOf, noneOf }]) {
    const answer = witness(question);
    if (answer.kind === "witness") return answer.text;
    if (answer.kind === "unknown") doubt();
  }
  return undefined;
}

const EMPTY: readonly Pattern[] = [compilePattern("")].flatMap((result) =>
  result.ok ? [result.pattern] : []
);
