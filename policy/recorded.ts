/**
 * Decisions that an audit log has recorded, as asks that can be put to other roles. An event tells
 * who asked for what; the start of its session tells the principal's traits and the app's labels.
 */
import type { Ask, What } from "./ask.ts";
import { decide } from "./ask.ts";
import { compilePolicy } from "./compile_policy.ts";
import type { Decision } from "./decision.ts";
import { PolicyError } from "./error.ts";
import type { AppFacts } from "./labels.ts";
import type { Role, Traits } from "./role.ts";

export interface RecordedCall {
  /** The id that the refused client was told, and that the audit log has. */
  readonly id: string;
  /** When it was decided, as the event has it. */
  readonly time: string;
  readonly ask: Ask;
  /** Names of the principal's roles then. */
  readonly roles: readonly string[];
  readonly effect: Decision["effect"];
  /** The arguments are not there as they were: left out, or redacted. */
  readonly argumentsAltered: boolean;
}

export interface Recorded {
  readonly calls: readonly RecordedCall[];
  /** Decisions whose session's start is not among the events, and which are of no use without it. */
  readonly orphans: number;
}

/** Reads the decisions among events, in any order; what is no event is passed over. */
export function recordedCalls(events: readonly unknown[]): Recorded {
  const sessions = new Map<string, Session>();
  for (const event of events) {
    const session = sessionOf(event);
    if (session) sessions.set(session.sid, session);
  }
  let orphans = 0;
  const calls = events.flatMap((event) => {
    const what = isObject(event) ? whatOf(event) : undefined;
    if (!isObject(event) || what === undefined) return [];
    const { decision_id: id, sid, decision, time } = event;
    const effect = isObject(decision) ? decision["effect"] : undefined;
    if (typeof id !== "string" || (effect !== "allow" && effect !== "deny")) return [];
    const session = sessions.get(String(sid));
    if (session === undefined) {
      orphans++;
      return [];
    }
    const { subject, app, roles } = session;
    const ask = { subject, app, what };
    const argumentsAltered = isAltered(event, what);
    return [{ id, time: String(time ?? ""), ask, roles, effect, argumentsAltered } as const];
  });
  return { calls, orphans };
}

/** What other roles say to a recorded call; not always can that be known. */
export type Replayed =
  | { readonly kind: "decided"; readonly decision: Decision }
  | { readonly kind: "error"; readonly message: string }
  /** A rule looks at something that was not recorded. */
  | { readonly kind: "unknown" };

/** Puts a recorded call to roles; of these its principal has those that it had. */
export function replay(
  { ask, roles: held, argumentsAltered }: RecordedCall,
  all: readonly Role[],
): Replayed {
  const roles = all.filter(({ name }) => held.includes(name));
  const missing = held.find((name) => !roles.some((role) => role.name === name));
  // As a session would be: what a missing role would have denied is unknown.
  if (missing !== undefined) return { kind: "error", message: `role "${missing}" does not exist` };
  const { subject, app, what } = ask;
  if (isRedacted(what)) return { kind: "unknown" };
  let looked = false;
  try {
    const policy = compilePolicy(roles, subject, app);
    const decision = what.kind !== "tool" ? decide(policy, what) : policy.decideTool(what.name, {
      arguments: () => {
        looked = true;
        return what.arguments;
      },
    });
    const pinned = decision.effect === "deny" && decision.because === "definition_not_pinned";
    return pinned || (looked && argumentsAltered)
      ? { kind: "unknown" }
      : { kind: "decided", decision };
  } catch (error) {
    if (error instanceof PolicyError) return { kind: "error", message: error.message };
    throw error;
  }
}

interface Session {
  readonly sid: string;
  readonly subject: Ask["subject"];
  readonly roles: readonly string[];
  readonly app: AppFacts;
}

function sessionOf(event: unknown): Session | undefined {
  if (!isObject(event) || event["type"] !== "mcp.session.start") return undefined;
  const { sid, bot_name, user_roles, bot_traits, app_name, app_labels } = event;
  if (typeof sid !== "string" || !isTraits(bot_traits) || !isLabels(app_labels)) return undefined;
  return {
    sid,
    subject: { name: `bot-${bot_name}`, traits: bot_traits },
    roles: Array.isArray(user_roles) ? user_roles.map(String) : [],
    app: { name: String(app_name), labels: app_labels },
  };
}

function whatOf(event: Fields): What | undefined {
  const { tool, resource, prompt } = event;
  if (typeof tool === "string") return { kind: "tool", name: tool, arguments: argumentsOf(event) };
  if (typeof resource === "string") return { kind: "resource", uri: resource };
  return typeof prompt === "string" ? { kind: "prompt", name: prompt } : undefined;
}

function argumentsOf({ message }: Fields): unknown {
  const params = isObject(message) ? message["params"] : undefined;
  return isObject(params) ? params["arguments"] : undefined;
}

/** How the audit log writes a digest in place of a value. */
const REDACTED = /^hmac-sha256:/;

/** The name of what was asked for is not there as it was. */
function isRedacted(what: What): boolean {
  if (what.kind === "app") return false;
  return REDACTED.test(what.kind === "resource" ? what.uri : what.name);
}

function isAltered({ message }: Fields, what: What): boolean {
  if (what.kind !== "tool") return false;
  if (isObject(message) && "params_omitted_bytes" in message) return true;
  return containsDigest(what.arguments);
}

function containsDigest(value: unknown): boolean {
  if (typeof value === "string") return REDACTED.test(value);
  if (Array.isArray(value)) return value.some(containsDigest);
  return isObject(value) && Object.values(value).some(containsDigest);
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTraits(value: unknown): value is Traits {
  return isObject(value) &&
    Object.values(value).every((values) =>
      Array.isArray(values) && values.every((each) => typeof each === "string")
    );
}

function isLabels(value: unknown): value is AppFacts["labels"] {
  return isObject(value) && Object.values(value).every((each) => typeof each === "string");
}
