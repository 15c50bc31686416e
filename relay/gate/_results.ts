/** What of a server's answer or request the client may see. */
import type { JsonView } from "../wire/json.ts";
import type { NotificationMessage, RequestMessage, ResultMessage } from "../wire/scanner.ts";
import { applyEdits, type Edit, keepElements, setMember } from "../wire/edit.ts";
import { definitionHash } from "./_definition.ts";
import { type Context, decideListing, fields, type RpcError, targetName } from "./_judge.ts";
import { type ListRule, LISTS } from "./methods.ts";
import type { GateReason, Target, TargetKind, Withheld } from "./step.ts";

export type Reviewed =
  | {
    readonly pass: true;
    readonly bytes: Uint8Array;
    readonly hidden: number;
    /** Each entry that a list had, for telling later whether a change of policy shows. */
    readonly listed: readonly Target[];
    readonly withheld?: readonly Withheld[];
    /** The task that the answer has made. */
    readonly taskId?: string;
  }
  | { readonly pass: false; readonly reason: GateReason; readonly error: RpcError };

/** The answer to a request of the client. */
export function reviewResult(
  message: ResultMessage,
  request: { readonly method: string; readonly target?: Target; readonly modern: boolean },
  context: Context,
): Reviewed {
  const list = LISTS.get(request.method);
  if (list !== undefined) return reviewList(message, list, request.modern, context);
  const given = request.target?.kind === "tool" ? createdTask(message) : undefined;
  const taskId = targetName("task", given);
  if (given !== undefined && taskId === undefined) {
    return failed("bad_params", "The server gave a task an id that is none");
  }
  if (taskId !== undefined && request.target?.kind === "tool") {
    context.tasks.add(taskId, { owner: context.owner, tool: request.target.name });
  }
  const reviewed = reviewInputRequests(message, context);
  return reviewed.pass && taskId !== undefined ? { ...reviewed, taskId } : reviewed;
}

function reviewList(
  message: ResultMessage,
  { member, name, kind }: ListRule,
  modern: boolean,
  context: Context,
): Reviewed {
  const array = message.inner.get(member);
  if (array?.type !== "array") {
    return failed("invalid_list", `The server's list has no array "${member}"`);
  }
  const listed: Target[] = [];
  const kept: JsonView[] = [];
  const withheld: Withheld[] = [];
  const entries = array.elements();
  for (const entry of entries) {
    const named = entryName(kind, entry, name);
    if (named === undefined) continue;
    const target: Target = { kind, name: named };
    if (kind === "tool" && context.policy.usesDefinitions) context.definitions.note(named, entry);
    if (kind === "tool" && context.policy.repeats) context.hints.note(named, entry);
    listed.push(target);
    const decision = decideListing(target, context);
    if (decision.effect === "allow") kept.push(entry);
    else if (decision.because === "definition_not_pinned") {
      const sha256 = context.definitions.get(named);
      if (sha256 !== undefined) withheld.push({ tool: named, sha256, decision });
    }
  }
  const hidden = entries.length - kept.length;
  const edits: Edit[] = hidden === 0 ? [] : [keepElements(array, kept)];
  // What one principal may see must not be served to another from a cache, nor outlive a change
  // of roles.
  if (modern || message.inner.has("ttlMs") || message.inner.has("cacheScope")) {
    edits.push(setMember(message.result, "ttlMs", "0"));
    edits.push(setMember(message.result, "cacheScope", '"private"'));
  }
  return { pass: true, bytes: applyEdits(message.bytes, edits), hidden, listed, withheld };
}

/** The name of an entry if every reader would find the same one. */
function entryName(kind: TargetKind, entry: JsonView, member: string): string | undefined {
  const names: ReadonlySet<string> = ENTRY_NAMES.get(member) ?? new Set([member]);
  return targetName(kind, fields(entry, names)?.get(member));
}

/** Legacy: `task.taskId`; modern: `resultType: "task"` beside `taskId`. */
function createdTask({ inner }: ResultMessage): JsonView | undefined {
  const legacy = inner.get("task")?.member("taskId");
  if (legacy !== undefined) return legacy;
  return inner.get("resultType")?.string() === "task" ? inner.get("taskId") : undefined;
}

/**
 * Requests that a modern server puts into its answer, or into a notice about a task:
 * `inputRequests`, by name.
 */
export function reviewInputRequests(
  message: ResultMessage | NotificationMessage,
  context: Context,
): Reviewed {
  const requests = message.inner.get("inputRequests");
  const edits: Edit[] = [];
  let hidden = 0;
  if (requests !== undefined && requests.type !== "object" && requests.type !== "null") {
    return failed("bad_params", "The server's input requests have no names");
  }
  for (const [, request] of requests?.members() ?? []) {
    const members = fields(request, REQUEST_MEMBERS);
    if (members === undefined) return failed("ambiguous_key", "An input request is ambiguous");
    if (members.get("method")?.string() !== "sampling/createMessage") continue;
    const reviewed = reviewSamplingTools(members.get("params"), context);
    if (reviewed === undefined) return failed("ambiguous_key", "An input request is ambiguous");
    edits.push(...reviewed.edits);
    hidden += reviewed.hidden;
  }
  return { pass: true, bytes: applyEdits(message.bytes, edits), hidden, listed: [] };
}

/** A server's request for sampling: tools that the client may not call are not offered. */
export function reviewSampling(message: RequestMessage, context: Context): Reviewed {
  const reviewed = reviewSamplingTools(message.params, context);
  if (reviewed === undefined) return failed("bad_params", "params.tools is not a list of tools");
  const bytes = applyEdits(message.bytes, reviewed.edits);
  return { pass: true, bytes, hidden: reviewed.hidden, listed: [] };
}

function reviewSamplingTools(
  params: JsonView | undefined,
  context: Context,
): { edits: Edit[]; hidden: number } | undefined {
  if (params === undefined) return { edits: [], hidden: 0 };
  const members = fields(params, SAMPLING_MEMBERS);
  if (members === undefined) return undefined;
  const tools = members.get("tools");
  if (tools === undefined) return { edits: [], hidden: 0 };
  if (tools.type !== "array") return undefined;
  const entries = tools.elements();
  const kept = entries.filter((entry) => {
    const name = entryName("tool", entry, "name");
    if (name === undefined) return false;
    // Its own definition counts: the model reads this one, and not that of the server's list.
    const definition = context.policy.usesDefinitions ? definitionHash(entry) : undefined;
    return context.policy.listTool(name, definition).effect === "allow";
  });
  const hidden = entries.length - kept.length;
  return { edits: hidden === 0 ? [] : [keepElements(tools, kept)], hidden };
}

function failed(reason: GateReason, message: string): Reviewed {
  return { pass: false, reason, error: { code: -32603, message } };
}

const ENTRY_NAMES: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  ["name", "uri", "uriTemplate", "taskId"].map((name) => [name, new Set([name])]),
);
const REQUEST_MEMBERS: ReadonlySet<string> = new Set(["method", "params"]);
const SAMPLING_MEMBERS: ReadonlySet<string> = new Set(["tools"]);
