/**
 * The lists of all roles as one matcher: names are decided by one pass over the name, and by a
 * bounded memory of names asked before. Rules with a condition or a pin are few and stand apart.
 */
import { compilePatternSet, type Pattern, type PatternSet } from "./pattern/mod.ts";
import type { Condition } from "./bind.ts";
import type { Decision, RuleRef } from "./decision.ts";

/** A pattern of a list, after templates. */
export interface Entry {
  readonly pattern: Pattern;
  readonly ref: RuleRef;
}

/** A tool entry that also depends on the call or on the tool's definition. */
export interface GuardedEntry extends Entry {
  /** `undefined`: there is no condition. */
  readonly condition: Condition | undefined;
  readonly sha256: string | undefined;
}

const NO_MATCH: Decision = { effect: "deny", because: "no_match" };

/** Names remembered for each list, and the longest one worth it. */
const MEMORY_LIMIT = 4096;
const NAME_LIMIT = 256;

/** Decides names by two lists; whatever the deny list matches is denied. */
export class ListMatcher {
  readonly #set: PatternSet;
  readonly #decisions: readonly Decision[];
  readonly #memory = new Map<string, Decision>();

  constructor(deny: readonly Entry[], allow: readonly Entry[], otherwise: Decision = NO_MATCH) {
    // INVARIANT (deny wins): the set answers with its lowest match, and denials come first.
    this.#set = compilePatternSet([...deny, ...allow].map(({ pattern }) => pattern));
    this.#decisions = [
      ...deny.map(({ ref }): Decision => ({ effect: "deny", because: "denied_by_rule", by: ref })),
      ...allow.map(({ ref }): Decision => ({ effect: "allow", by: ref })),
      otherwise,
    ];
  }

  decide(name: string): Decision {
    const known = this.#memory.get(name);
    if (known !== undefined) return known;
    const index = this.#set.firstMatch(name);
    const decision = this.#decisions.at(index) ?? NO_MATCH;
    if (name.length <= NAME_LIMIT) {
      if (this.#memory.size >= MEMORY_LIMIT) this.#memory.clear();
      this.#memory.set(name, decision);
    }
    return decision;
  }
}
