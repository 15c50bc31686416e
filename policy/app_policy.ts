/**
 * What one principal may do with one app. Everything that can fail has failed before one of these
 * exists: its methods are synchronous, linear in what they are asked, and never throw.
 */
import type { Decision, RuleRef } from "./decision.ts";
import type { Approved } from "./labels.ts";
import { type Entry, type GuardedEntry, ListMatcher, type NameMatcher } from "./matchers.ts";
import { decideReadings } from "./resource_readings.ts";
import type { Repeats } from "./role.ts";

/** What a call brings beside the tool's name. */
export interface ToolCall {
  /** The call's arguments as plain data; asked for only when a rule looks at them. */
  readonly arguments?: () => unknown;
  /** SHA-256 of the tool's definition, 64 lowercase hex digits (`docs/policy.md`, *Pins*). */
  readonly definition?: string | undefined;
}

export interface AppPolicy {
  /** Whether the app may be reached at all. */
  readonly access: Decision;
  /** A call of a tool. Without arguments it is a call without arguments. */
  decideTool(name: string, call?: ToolCall): Decision;
  /** Whether a list shows a tool: it does when some call of it may be allowed. */
  listTool(name: string, definition?: string): Decision;
  /** Judged as it is written, and as servers may read it: `%73ecret` is `secret` to some. */
  decideResource(uri: string): Decision;
  decidePrompt(name: string): Decision;
  /** True only if every call of every tool is allowed, so that unknown methods may pass. */
  readonly toolsUnrestricted: boolean;
  readonly resourcesUnrestricted: boolean;
  readonly promptsUnrestricted: boolean;
  /** Whether any rule looks at arguments, or at definitions. */
  readonly usesArguments: boolean;
  readonly usesDefinitions: boolean;
  /** Seconds: the least of all roles. */
  readonly maxSessionTtl: number;
  /** `strict` when any role says so. */
  readonly lock: "strict" | "best_effort";
  /** Which calls may be made again when their outcome is unknown; none without it. */
  readonly repeats: Repeats | undefined;
}

/** A list of the deny and the allow side, templates expanded. */
export interface Lists {
  readonly deny: readonly Entry[];
  /** `undefined`: nobody restricts it. */
  readonly allow: readonly Entry[] | undefined;
}

/** The tool rules of all roles: by name alone, and those that also look at the call. */
export interface ToolRules {
  readonly plain: () => NameMatcher;
  /** Rules with a condition or a pin. */
  readonly deny: readonly GuardedEntry[];
  readonly allow: readonly GuardedEntry[];
  /** Whether the rules leave out no name and no call. */
  readonly unrestricted: boolean;
}

export interface CompiledRoles {
  readonly access: Decision;
  readonly tools: ToolRules;
  readonly resources: Lists;
  readonly prompts: Lists;
  readonly maxSessionTtl: number;
  readonly lock: "strict" | "best_effort";
  readonly repeats: Repeats | undefined;
  readonly approved: Approved | undefined;
}

const NONE_KNOWN: ReadonlyMap<string, Decision> = new Map();

/** The policy over compiled lists. */
export class CompiledAppPolicy implements AppPolicy {
  /** Names whose decision is known and depends on nothing else. */
  #known: ReadonlyMap<string, Decision> = NONE_KNOWN;
  readonly access: Decision;
  readonly toolsUnrestricted: boolean;
  readonly resourcesUnrestricted: boolean;
  readonly promptsUnrestricted: boolean;
  readonly usesArguments: boolean;
  readonly usesDefinitions: boolean;
  readonly maxSessionTtl: number;
  readonly lock: "strict" | "best_effort";
  readonly repeats: Repeats | undefined;
  readonly #closed: boolean;
  readonly #guarded: boolean;
  readonly #denyGuarded: readonly GuardedEntry[];
  readonly #allowGuarded: readonly GuardedEntry[];
  readonly #roles: CompiledRoles;
  #tools: NameMatcher | undefined;
  #resources: ListMatcher | undefined;
  #prompts: ListMatcher | undefined;

  constructor(roles: CompiledRoles) {
    const { access, tools } = roles;
    this.#roles = roles;
    this.access = access;
    this.maxSessionTtl = roles.maxSessionTtl;
    this.lock = roles.lock;
    this.repeats = roles.repeats;
    this.#denyGuarded = tools.deny;
    this.#allowGuarded = tools.allow;
    const guarded = [...this.#denyGuarded, ...this.#allowGuarded];
    this.usesArguments = guarded.some(({ condition }) => condition !== undefined);
    this.usesDefinitions = guarded.some(({ sha256 }) => sha256 !== undefined);
    const open = access.effect === "allow";
    this.#closed = !open;
    this.#guarded = guarded.length > 0;
    this.toolsUnrestricted = open && tools.unrestricted;
    this.resourcesUnrestricted = open && isUnrestricted(roles.resources);
    this.promptsUnrestricted = open && isUnrestricted(roles.prompts);
  }

  decideTool(name: string, call?: ToolCall): Decision {
    return this.#known.get(name) ?? this.#decideNew(name, call);
  }

  #decideNew(name: string, call: ToolCall | undefined): Decision {
    if (this.#closed) return this.access;
    // Built at the first question: reaching an app asks for no tool.
    const tools = this.#tools ??= this.#roles.tools.plain();
    if (this.#guarded) return this.#guardedTool(name, tools.decide(name), call);
    this.#known = tools.known;
    return tools.decide(name);
  }

  listTool(name: string, definition?: string): Decision {
    if (this.access.effect === "deny") return this.access;
    const plain = (this.#tools ??= this.#roles.tools.plain()).decide(name);
    if (isDeniedByRule(plain)) return plain;
    for (const entry of this.#denyGuarded) {
      // A condition may spare some call; a pin alone spares none of this definition's.
      if (entry.condition === undefined && entry.pattern.test(name) && denies(entry, definition)) {
        return { effect: "deny", because: "denied_by_rule", by: entry.ref };
      }
    }
    if (plain.effect === "allow") return plain;
    let refused: Decision | undefined;
    for (const entry of this.#allowGuarded) {
      if (!entry.pattern.test(name)) continue;
      if (this.#meetsPin(entry, name, definition)) return { effect: "allow", by: entry.ref };
      refused ??= { effect: "deny", because: "definition_not_pinned", by: entry.ref };
    }
    return refused ?? plain;
  }

  decideResource(uri: string): Decision {
    if (this.access.effect === "deny") return this.access;
    const rules = this.#resources ??= listMatcher(this.#roles.resources, this.access.by);
    return decideReadings(uri, (spelling) => rules.decide(spelling));
  }

  decidePrompt(name: string): Decision {
    if (this.access.effect === "deny") return this.access;
    this.#prompts ??= listMatcher(this.#roles.prompts, this.access.by);
    return this.#prompts.decide(name);
  }

  #guardedTool(name: string, plain: Decision, call: ToolCall | undefined): Decision {
    if (isDeniedByRule(plain)) return plain;
    const args = lazyArguments(call);
    for (const entry of this.#denyGuarded) {
      if (!entry.pattern.test(name) || !denies(entry, call?.definition)) continue;
      // What a deny rule cannot judge, it denies.
      if (entry.condition === undefined || entry.condition(args()) !== false) {
        return { effect: "deny", because: "denied_by_rule", by: entry.ref };
      }
    }
    if (plain.effect === "allow") return plain;
    let refused: Decision | undefined;
    for (const entry of this.#allowGuarded) {
      if (!entry.pattern.test(name)) continue;
      if (!this.#meetsPin(entry, name, call?.definition)) {
        refused ??= { effect: "deny", because: "definition_not_pinned", by: entry.ref };
      } else if (entry.condition === undefined || entry.condition(args()) === true) {
        return { effect: "allow", by: entry.ref };
      } else refused ??= { effect: "deny", because: "condition_not_met", by: entry.ref };
    }
    return refused ?? plain;
  }

  /** Whether a rule that allows the tool does so with this definition. */
  #meetsPin({ sha256 }: GuardedEntry, name: string, definition: string | undefined): boolean {
    if (sha256 === undefined || sha256 === definition) return true;
    return definition !== undefined && this.#roles.approved?.get(name)?.has(definition) === true;
  }
}

/** A pinned deny rule speaks of one definition, and of any that is not known. */
function denies({ sha256 }: GuardedEntry, definition: string | undefined): boolean {
  return sha256 === undefined || definition === undefined || sha256 === definition;
}

/** Whether an entry looks at more than the name. */
export function isGuarded({ condition, sha256 }: GuardedEntry): boolean {
  return condition !== undefined || sha256 !== undefined;
}

function isDeniedByRule(decision: Decision): boolean {
  return decision.effect === "deny" && decision.because === "denied_by_rule";
}

function isUnrestricted({ deny, allow }: Lists): boolean {
  return deny.length === 0 &&
    (allow === undefined || allow.some(({ pattern }) => pattern.kind === "any"));
}

/** A list that no role restricts is open to whoever the app is open to. */
function listMatcher({ deny, allow }: Lists, access: RuleRef): ListMatcher {
  return allow === undefined
    ? new ListMatcher(deny, [], { effect: "allow", by: access })
    : new ListMatcher(deny, allow);
}

/** Arguments are built at most once a call; what cannot be built is judged as odd, never thrown. */
function lazyArguments(call: ToolCall | undefined): () => unknown {
  let built: { value: unknown } | undefined;
  return () => {
    if (built) return built.value;
    try {
      built = { value: call?.arguments?.() };
    } catch {
      built = { value: UNREADABLE };
    }
    return built.value;
  };
}

/** Fits no condition: a path into text is never there, and never missing either. */
const UNREADABLE = "";
