/**
 * Names against all lists of all roles at once, with a bounded memory of the names asked before.
 * Small sets become one automaton for an app; large ones ask an index that all apps share.
 */
import { NameMemory } from "./_name_memory.ts";
import type { Condition } from "./bind.ts";
import type { Decision, RuleRef } from "./decision.ts";
import { compilePatternSet, type Pattern, type PatternSet } from "./pattern/mod.ts";
import type { ToolIndex } from "./role_set.ts";

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

/** Decides names, and remembers. */
export abstract class NameMatcher {
  readonly #memory = new NameMemory<Decision>();
  /** The names that are remembered, whenever one asks. */
  readonly known: ReadonlyMap<string, Decision> = this.#memory.known;

  decide(name: string): Decision {
    return this.#memory.get(name) ?? this.#memory.keep(name, this.judge(name));
  }

  /** Decides a name without regard to what was decided before. */
  abstract judge(name: string): Decision;
}

/** Decides names by two lists; whatever the deny list matches is denied. */
export class ListMatcher extends NameMatcher {
  readonly #set: PatternSet;
  readonly #decisions: readonly Decision[];

  constructor(deny: readonly Entry[], allow: readonly Entry[], otherwise: Decision = NO_MATCH) {
    super();
    // INVARIANT (deny wins): the set answers with its lowest match, and denials come first.
    this.#set = compilePatternSet([...deny, ...allow].map(({ pattern }) => pattern));
    this.#decisions = [
      ...deny.map(({ ref }): Decision => ({ effect: "deny", because: "denied_by_rule", by: ref })),
      ...allow.map(({ ref }): Decision => ({ effect: "allow", by: ref })),
      otherwise,
    ];
  }

  judge(name: string): Decision {
    return this.#decisions.at(this.#set.firstMatch(name)) ?? NO_MATCH;
  }
}

/** Decides names by the index of all roles, of which some are open here, and by rules beside it. */
export class IndexMatcher extends NameMatcher {
  constructor(
    private readonly index: ToolIndex,
    /** By role: whether it opens the app. */
    private readonly open: readonly boolean[],
    /** The rules that templates have become for the principal; `undefined` for none. */
    private readonly beside: ListMatcher | undefined,
  ) {
    super();
  }

  judge(name: string): Decision {
    const rule = this.index.lowest(name, this.open);
    const decision = rule?.decision ?? NO_MATCH;
    if (!this.beside || rule?.decision.effect === "deny") return decision;
    const other = this.beside.judge(name);
    const overrules = rule === undefined || isDenial(other);
    return overrules ? other : decision;
  }
}

function isDenial(decision: Decision): boolean {
  return decision.effect === "deny" && decision.because === "denied_by_rule";
}
