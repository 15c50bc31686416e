/**
 * The label rules of many roles, each different one judged once for an app. Roles repeat each
 * other's labels, so a thousand roles ask for few of them.
 */
import type { RuleRef } from "./decision.ts";
import { type AppFacts, namespaceFits, takesAny } from "./labels.ts";
import type { Pattern } from "./pattern/mod.ts";
import type { Conditions, LabelRule, Role } from "./role.ts";

/** A label rule that holds for every principal alike. */
interface FixedLabel {
  readonly key: string;
  readonly patterns: readonly Pattern[];
}

interface FixedSelector {
  readonly ref: RuleRef;
  /** Roles that name the same labels share it. */
  readonly demand: number;
}

export class LabelIndex {
  readonly #labels: FixedLabel[] = [];
  /** Sets of labels that an app must fit, by number; none for `'*': '*'`. */
  readonly #demands: (readonly number[])[] = [];
  /** By role. */
  readonly #selectors: readonly (FixedSelector | undefined)[];

  constructor(roles: readonly Role[]) {
    const numbers = new Map<string, number>();
    this.#selectors = roles.map(({ allow }) => this.#selector(allow, numbers));
  }

  /**
   * For each role the rule by which its labels open the app, or `null` where they do not; a role
   * is left `undefined` when that depends on more than the app's labels.
   */
  opened({ labels }: AppFacts): (RuleRef | null | undefined)[] {
    const fits = this.#labels.map(({ key, patterns }) =>
      Object.hasOwn(labels, key) && takesAny(patterns, labels[key] ?? "")
    );
    const met = this.#demands.map((demand) => demand.every((label) => fits[label]));
    return this.#selectors.map((selector) =>
      selector && (met[selector.demand] ? selector.ref : null)
    );
  }

  #selector(allow: Conditions, numbers: Map<string, number>): FixedSelector | undefined {
    const { labels, expression } = allow;
    if (!labels || labels.labels.length === 0 || expression || !namespaceFits(allow)) {
      return undefined;
    }
    const fixed = labels.labels.map(fixedLabel);
    if (!fixed.every((label) => label !== undefined)) return undefined;
    const demand = fixed.some(isAny) ? [] : fixed.map((label) => this.#number(label, numbers));
    const text = demand.join();
    let number = numbers.get(text);
    if (number === undefined) numbers.set(text, number = this.#demands.push(demand) - 1);
    return { ref: labels.ref, demand: number };
  }

  #number(label: FixedLabel, numbers: Map<string, number>): number {
    const text = JSON.stringify([label.key, label.patterns.map(({ source }) => source)]);
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, this.#labels.length);
    return this.#labels.push(label) - 1;
  }
}

function fixedLabel({ key, values }: LabelRule): FixedLabel | undefined {
  const patterns = values.map(({ pattern }) => pattern).filter((p) => p !== undefined);
  return key.kind === "literal" && patterns.length === values.length
    ? { key: key.text, patterns }
    : undefined;
}

function isAny({ key, patterns }: FixedLabel): boolean {
  return key === "*" && patterns.length === 1 && patterns[0]?.source === "*";
}
