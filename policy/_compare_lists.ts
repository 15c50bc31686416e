import type { RuleRef } from "./decision.ts";
import type { GuardedEntry } from "./matchers.ts";
import { type Pattern, type Question, witness } from "./pattern/mod.ts";

/** The rules that decide names of one kind. */
export interface NamedRules {
  readonly deny: readonly GuardedEntry[];
  readonly allow: readonly GuardedEntry[];
}

export type Comparison =
  | {
    readonly kind: "change";
    readonly change: {
      readonly effect: "gains" | "loses" | "changes";
      readonly name: string;
      readonly pattern: string | undefined;
      readonly before: string;
      readonly after: string;
    };
  }
  /** The sets were too large to compare within the limits. */
  | { readonly kind: "undecided"; readonly pattern: string };

/**
 * How two lists differ. Over all texts this is exact for rules that look at names alone: there is
 * a change if and only if some text is decided differently. Conditions and pins are compared as
 * written: two that say the same in other words count as different.
 */
export function compareLists(
  old: NamedRules,
  now: NamedRules,
  names: readonly string[] | undefined,
): Comparison[] {
  if (names) return names.flatMap((name) => compareName(old, now, name, undefined));
  const found: Comparison[] = [];
  const seen = new Set<string>();
  for (const { question, pattern } of [...questions(old, now), ...questions(now, old)]) {
    const answer = witness(question);
    if (answer.kind === "unknown") found.push({ kind: "undecided", pattern });
    if (answer.kind !== "witness" || seen.has(answer.text)) continue;
    seen.add(answer.text);
    found.push(...compareName(old, now, answer.text, pattern));
  }
  return found;
}

interface Doubt {
  readonly question: Question;
  readonly pattern: string;
}

/** Texts that one side may grant and the other not, one question for each rule behind it. */
function questions(from: NamedRules, to: NamedRules): Doubt[] {
  const plainFrom = plain(from);
  const plainTo = plain(to);
  const doubts: Doubt[] = [];
  // Granted by a rule of `to`, and by none of `from`.
  for (const entry of distinct(to.allow)) {
    doubts.push({
      question: { allOf: [entry.pattern], noneOf: [...plainTo.deny, ...plainFrom.allow] },
      pattern: entry.pattern.source,
    });
  }
  // Granted by `to`, and denied by a rule of `from`.
  for (const entry of distinct(from.deny)) {
    if (to.allow.length === 0) continue;
    doubts.push({
      question: {
        allOf: [entry.pattern],
        anyOf: to.allow.map(({ pattern }) => pattern),
        noneOf: plainTo.deny,
      },
      pattern: entry.pattern.source,
    });
  }
  // A condition or pin that one side has: where the name is not denied anyway.
  const known = new Set([...from.allow, ...from.deny].map(signature));
  for (const entry of [...to.allow, ...to.deny]) {
    if (!isGuarded(entry) || known.has(signature(entry))) continue;
    doubts.push({
      question: { allOf: [entry.pattern], noneOf: plainTo.deny },
      pattern: entry.pattern.source,
    });
  }
  return doubts;
}

function compareName(
  old: NamedRules,
  now: NamedRules,
  name: string,
  pattern: string | undefined,
): Comparison[] {
  const [before, after] = [standing(old, name), standing(now, name)];
  if (before.level === after.level && before.terms === after.terms) return [];
  const effect = after.level > before.level
    ? "gains"
    : after.level < before.level
    ? "loses"
    : "changes";
  return [{
    kind: "change",
    change: { effect, name, pattern, before: before.text, after: after.text },
  }];
}

/** How a name stands: 0 never, 1 on terms, 2 always; and the terms. */
interface Standing {
  readonly level: 0 | 1 | 2;
  readonly terms: string;
  readonly text: string;
}

function standing({ deny, allow }: NamedRules, name: string): Standing {
  const denials = deny.filter(({ pattern }) => pattern.test(name));
  const denial = denials.find((entry) => !isGuarded(entry));
  if (denial) return { level: 0, terms: "", text: `denied by ${describe(denial.ref)}` };
  const grants = allow.filter(({ pattern }) => pattern.test(name));
  if (grants.length === 0) return { level: 0, terms: "", text: "no role allows it" };
  const grant = grants.find((entry) => !isGuarded(entry));
  if (grant && denials.length === 0) {
    return { level: 2, terms: "", text: `allowed by ${describe(grant.ref)}` };
  }
  const given = grant ? [grant] : grants;
  const terms = [...denials.map((d) => `deny ${signature(d)}`), ...given.map(termOf)].sort();
  const refs = [...denials, ...given].map(({ ref }) => describe(ref)).join(" and ");
  return { level: 1, terms: terms.join("\n"), text: `allowed on the terms of ${refs}` };
}

function termOf(entry: GuardedEntry): string {
  return isGuarded(entry) ? `allow ${signature(entry)}` : "allow";
}

function describe({ role, path, rule, file, line }: RuleRef): string {
  return `role "${role}", ${path} ${JSON.stringify(rule)} (${file}:${line})`;
}

function plain({ deny, allow }: NamedRules): { deny: Pattern[]; allow: Pattern[] } {
  const patterns = (entries: readonly GuardedEntry[]) =>
    distinct(entries.filter((entry) => !isGuarded(entry))).map(({ pattern }) => pattern);
  return { deny: patterns(deny), allow: patterns(allow) };
}

function distinct(entries: readonly GuardedEntry[]): GuardedEntry[] {
  return [...new Map(entries.map((entry) => [entry.pattern.source, entry])).values()];
}

function isGuarded({ condition, sha256 }: GuardedEntry): boolean {
  return condition !== undefined || sha256 !== undefined;
}

/** What a rule says, as written. */
function signature({ pattern, ref, condition, sha256 }: GuardedEntry): string {
  return JSON.stringify([pattern.source, condition ? ref.rule : "", sha256 ?? ""]);
}
