import type { AppFacts } from "./labels.ts";
import { compilePattern, type Pattern, witness } from "./pattern/mod.ts";
import type { LabelSelector, Role } from "./role.ts";

/** Apps made up for one comparison. */
const APP_LIMIT = 2000;

/** What an app's labels must match to fit some selectors. */
type Wish = ReadonlyMap<string, readonly Pattern[]>;

/**
 * Apps that stand for all apps that labels can tell apart: one that fits each selector, one that
 * fits each two of them, and one without labels. What labels alone do not tell is named in
 * `undecided`.
 */
export function sampleApps(roles: readonly Role[], undecided: Set<string>): AppFacts[] {
  const wishes = new Map<string, Wish>();
  for (const { allow, deny } of roles) {
    for (const { labels, expression } of [allow, deny]) {
      for (const wish of wishesOf(labels, undecided)) wishes.set(keyOf(wish), wish);
      if (!expression) continue;
      undecided.add(`${expression.ref.role}, ${expression.ref.path}: name the apps that there are`);
    }
  }
  const single = [...wishes.values()];
  const apps = new Map<string, AppFacts>();
  const add = (wish: Wish) => {
    const labels = labelsFor(wish);
    if (!labels) return;
    const shown = Object.entries(labels).map(([key, value]) => `${key}: ${value}`).join(", ");
    const name = shown === "" ? "an app without labels" : `an app with ${shown}`;
    if (apps.has(name)) return;
    if (apps.size < APP_LIMIT) apps.set(name, { name, labels });
    else undecided.add(`more than ${APP_LIMIT} kinds of apps: name the apps that there are`);
  };
  add(new Map());
  for (const wish of single) add(wish);
  for (const [index, wish] of single.entries()) {
    for (const other of single.slice(index + 1)) add(both(wish, other));
    if (apps.size >= APP_LIMIT) break;
  }
  return [...apps.values()];
}

/** A wish for each value of each key, the other keys at their first value. */
function wishesOf(selector: LabelSelector | undefined, undecided: Set<string>): Wish[] {
  const choices: [key: string, patterns: readonly Pattern[]][] = [];
  for (const { key, values, ref } of selector?.labels ?? []) {
    const patterns = values.map(({ pattern }) => pattern).filter((p) => p !== undefined);
    if (key.kind === "template" || patterns.length < values.length) {
      undecided.add(`${ref.role}, ${ref.path}: name the apps and the bots that there are`);
      return [];
    }
    // `'*': '*'` fits the app without labels too.
    if (key.text !== "*") choices.push([key.text, patterns]);
  }
  if (choices.some(([, patterns]) => patterns.length === 0)) return [];
  const first = new Map(choices.map(([key, patterns]) => [key, patterns.slice(0, 1)]));
  const others = choices.flatMap(([key, patterns]) =>
    patterns.slice(1).map((pattern) => new Map([...first, [key, [pattern]]]))
  );
  return [first, ...others];
}

function both(a: Wish, b: Wish): Wish {
  const merged = new Map(a);
  for (const [key, patterns] of b) merged.set(key, [...merged.get(key) ?? [], ...patterns]);
  return merged;
}

/** Labels that meet a wish, with text in them if there can be. */
function labelsFor(wish: Wish): Record<string, string> | undefined {
  const labels: [string, string][] = [];
  for (const [key, allOf] of wish) {
    const found = [{ allOf, noneOf: EMPTY }, { allOf }].map((question) => witness(question))
      .find(({ kind }) => kind === "witness");
    if (found?.kind !== "witness") return undefined;
    labels.push([key, found.text]);
  }
  return Object.fromEntries(labels.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}

function keyOf(wish: Wish): string {
  return JSON.stringify([...wish].map(([key, patterns]) => [key, patterns.map((p) => p.source)]));
}

const EMPTY: readonly Pattern[] = [compilePattern("")].flatMap((result) =>
  result.ok ? [result.pattern] : []
);
