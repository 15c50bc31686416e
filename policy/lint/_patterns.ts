// What can be decided about the patterns of one list, by itself and against its neighbours.
import type { RuleRef } from "../decision.ts";
import { compilePattern, uncovered, witness } from "../pattern/mod.ts";
import type { Pattern } from "../pattern/mod.ts";
import type { PatternRule, ToolRule } from "../role.ts";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

export type ListName = "tools" | "resources" | "prompts";

/** A rule whose pattern is known without a principal. */
export interface Static {
  readonly pattern: Pattern;
  readonly ref: RuleRef;
  /** It also depends on the call or on the tool's definition. */
  readonly guarded: boolean;
}

/** The rules that are no templates. */
export function staticRules(rules: readonly (PatternRule | ToolRule)[] | undefined): Static[] {
  return (rules ?? []).flatMap((rule) => {
    if (!rule.pattern) return [];
    const guarded = "where" in rule && (rule.where !== undefined || rule.sha256 !== undefined);
    return [{ pattern: rule.pattern, ref: rule.ref, guarded }];
  });
}

const NOT_EMPTY = compiled("^(?s).+$");
const ANYTHING = compiled("*");

/** A pattern that matches nothing, and so never allows, or never denies. */
export function neverMatches(rules: readonly Static[], what: string): Finding[] {
  return rules.filter(matchesNothing).map(({ ref }) =>
    finding("never-matches", ref, `No ${what} matches ${quoted(ref.rule)}`, {
      hint: "correct the pattern, or remove the rule",
    })
  );
}

/** An allow rule of which every match is denied. */
export function shadowed(allow: readonly Static[], deny: readonly Static[]): Finding[] {
  const denials = deny.filter(({ guarded }) => !guarded);
  return allow.flatMap((rule) => {
    const example = nameFor(rule.pattern);
    const by = example === undefined ? [] : coverOf(rule, denials);
    if (example === undefined || by.length === 0) return [];
    const deniers = by.map(({ ref }) => quoted(ref.rule)).join(", ");
    return [
      finding(
        "shadowed-allow",
        rule.ref,
        `${quoted(rule.ref.rule)} allows nothing: all of it is denied by ${deniers}`,
        {
          hint: `${quoted(example)}, for example, is denied; deny wins whatever the order`,
          witness: example,
          related: by.map(({ ref }) => ref),
        },
      ),
    ];
  });
}

/**
 * Rules that can go, all at once, and change nothing. A rule with a condition never covers another;
 * one that is covered by a rule without a condition has a condition that does not count.
 */
export function covered(rules: readonly Static[]): Finding[] {
  const by = new Map<Static, readonly Static[]>();
  // Rules that one other covers go first, so that the widest stay; of equal ones the later goes.
  for (const together of [false, true]) {
    for (const rule of [...rules].reverse()) {
      if (by.has(rule) || matchesNothing(rule)) continue;
      const others = rules.filter((r) => r !== rule && !r.guarded && !by.has(r));
      const covering = together ? coverOf(rule, others) : others.filter((o) => covers([o], rule));
      if (covering.length > 0) by.set(rule, together ? covering : covering.slice(0, 1));
    }
  }
  return rules.flatMap((rule) => {
    const covering = by.get(rule);
    return covering ? [coveredFinding(rule, covering)] : [];
  });
}

function coveredFinding({ ref, guarded }: Static, by: readonly Static[]): Finding {
  const others = by.map((other) => quoted(other.ref.rule)).join(", ");
  const related = by.map((other) => other.ref);
  return guarded
    ? finding(
      "covered-rule",
      ref,
      `The condition of ${quoted(ref.rule)} does not count: ${others} covers it without one`,
      { hint: "remove the wider rule, or this one", related },
    )
    : finding("covered-rule", ref, `${quoted(ref.rule)} adds nothing to ${others}`, {
      hint: "remove it (--fix does where it stands on a line of its own)",
      related,
    });
}

/** A rule that grants whatever there is and whatever will be added. */
export function grantsEverything(rules: readonly Static[], list: ListName): Finding[] {
  return rules
    .filter(({ guarded, pattern }) => !guarded && uncovered(ANYTHING, [pattern]).kind === "empty")
    .map(({ ref }) =>
      finding(
        "grants-everything",
        ref,
        `${quoted(ref.rule)} allows all ${list}, also those that a server adds later`,
        { hint: `list what is needed, such as read_*` },
      )
    );
}

/** Tool names have letters, digits and `_-.`; these characters say that an expression was meant. */
const EXPRESSION_CHARACTERS = "^$|()[]{}\\+?";

/** Plain text that looks like an expression, which it is only between ^ and $. */
export function regexInGlob(rules: readonly Static[]): Finding[] {
  return rules.flatMap(({ pattern, ref }) => {
    if (pattern.kind === "regex") return [];
    const odd = [...pattern.source].find((char) => EXPRESSION_CHARACTERS.includes(char));
    if (odd === undefined) return [];
    return [
      finding(
        "regex-in-glob",
        ref,
        `${quoted(pattern.source)} is plain text: it matches only names with a ${
          quoted(odd)
        } in them`,
        { hint: "an expression starts with ^ and ends with $" },
      ),
    ];
  });
}

/** An expression of plain words with a bare `*`, such as `^get_*$`. */
export function globInRegex(rules: readonly Static[]): Finding[] {
  return rules.flatMap(({ pattern, ref }) => {
    const body = pattern.source.slice(1, -1);
    const star = body.indexOf("*");
    if (pattern.kind !== "regex" || star < 1) return [];
    const plain = (char: string) => /^[A-Za-z0-9_*-]$/.test(char); // One character, not a name.
    if (![...body].every(plain)) return [];
    const glob = compilePattern(body);
    if (!glob.ok) return [];
    const missed = witness({ allOf: [glob.pattern], noneOf: [pattern] });
    if (missed.kind !== "witness") return [];
    return [
      finding(
        "glob-in-regex",
        ref,
        `In ${quoted(pattern.source)} the * repeats the ${quoted(body[star - 1]!)} before it: ` +
          `${quoted(missed.text)} does not match`,
        {
          hint: `any run of characters is ${body} without ^ and $, or .* inside them`,
          witness: missed.text,
        },
      ),
    ];
  });
}

/** `^a|b$`, which is everything that starts with a or ends with b. */
export function looseAlternation(rules: readonly Static[]): Finding[] {
  return rules.flatMap(({ pattern, ref }) => {
    if (pattern.kind !== "regex" || !pattern.source.includes("|")) return [];
    const body = pattern.source.slice(1, -1);
    const grouped = compilePattern(`^(?:${body})$`);
    // A body that ends in a backslash quotes the $, and would quote the group's end.
    if (!grouped.ok || body.endsWith("\\")) return [];
    const extra = uncovered(pattern, [grouped.pattern]);
    if (extra.kind !== "witness") return [];
    return [
      finding(
        "loose-alternation",
        ref,
        `${quoted(pattern.source)} also matches ${quoted(longer(pattern, grouped.pattern))}: ` +
          "^ belongs to the first alternative and $ to the last",
        { hint: `to match in full, write ^(${body})$`, witness: extra.text },
      ),
    ];
  });
}

/** An extra match that is not empty reads better than the shortest. */
function longer(pattern: Pattern, grouped: Pattern): string {
  const found = witness({ allOf: [pattern, NOT_EMPTY], noneOf: [grouped] });
  return found.kind === "witness" ? found.text : "";
}

function covers(others: readonly Static[], { pattern }: Static): boolean {
  return uncovered(pattern, others.map((other) => other.pattern)).kind === "empty";
}

/** Rules that cover one together, none of them in vain; empty if they do not. */
function coverOf(rule: Static, others: readonly Static[]): readonly Static[] {
  if (others.length === 0 || !covers(others, rule)) return [];
  let kept = others;
  for (const candidate of others) {
    const rest = kept.filter((other) => other !== candidate);
    if (rest.length > 0 && covers(rest, rule)) kept = rest;
  }
  return kept;
}

function matchesNothing({ pattern }: Static): boolean {
  return witness({ allOf: [pattern, NOT_EMPTY] }).kind === "empty";
}

/** A name, which is never empty, that a pattern matches. */
export function nameFor(pattern: Pattern): string | undefined {
  const found = witness({ allOf: [pattern, NOT_EMPTY] });
  return found.kind === "witness" ? found.text : undefined;
}

export function quoted(text: string): string {
  return JSON.stringify(text);
}

function compiled(source: string): Pattern {
  const result = compilePattern(source);
  if (!result.ok) throw new Error(result.message);
  return result.pattern;
}
