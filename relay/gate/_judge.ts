/** Whether a request of the client may pass. */
import { foldName } from "../../policy/names/mod.ts";
import { isCaseTwin } from "../wire/known_members.ts";
import type { JsonView } from "../wire/json.ts";
import { MAX_NAME_BYTES, MAX_URI_BYTES, plainName, type RequestMessage } from "../wire/scanner.ts";
import type { Definitions } from "./_definition.ts";
import type { Hints } from "./_hints.ts";
import { CLIENT_REQUESTS } from "./methods.ts";
import { type Decision, type GatePolicy, isUnrestricted } from "./policy.ts";
import type { GateReason, Target, TargetKind } from "./step.ts";
import type { TaskRegistry } from "./tasks.ts";

/** Who asks, and what is asked of. */
export interface Context {
  readonly policy: GatePolicy;
  readonly tasks: TaskRegistry;
  readonly owner: string;
  readonly definitions: Definitions;
  readonly hints: Hints;
}

export type Judgement =
  | { readonly pass: true; readonly decision: Decision; readonly target?: Target }
  | {
    readonly pass: false;
    readonly reason: GateReason;
    readonly error: RpcError;
    readonly decision?: Decision;
    readonly target?: Target;
  };

type Denied = Extract<Judgement, { pass: false }>;

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: string;
}

/** Whether a request for this may pass; a call of a tool brings its arguments. */
export function decideCall(target: Target, context: Context, args?: JsonView): Decision {
  if (target.kind !== "tool") return decideListing(target, context);
  return context.policy.decideTool(target.name, {
    // Values are built only if a rule looks at them.
    arguments: () => args === undefined ? undefined : JSON.parse(args.text()),
    definition: context.definitions.get(target.name),
  });
}

/**
 * Whether this may be shown: the same question without arguments.
 * INVARIANT (list = call): what is hidden here is refused by `decideCall`.
 */
export function decideListing({ kind, name }: Target, context: Context): Decision {
  const { policy, tasks, owner, definitions } = context;
  switch (kind) {
    case "tool":
      return policy.listTool(name, definitions.get(name));
    case "resource":
      return policy.decideResource(name);
    case "prompt":
      return policy.decidePrompt(name);
    case "task": {
      // Its call was judged with its arguments; what may have changed since is the tool.
      const task = tasks.find(name, owner);
      return task === undefined
        ? NOT_OWNED
        : policy.listTool(task.tool, definitions.get(task.tool));
    }
  }
}

export function judgeRequest(
  message: RequestMessage,
  context: Context,
  decisionId: string,
): Judgement {
  const { policy } = context;
  const rule = CLIENT_REQUESTS.get(message.method);
  const denied = deniedToolUse(message.inner.get("inputResponses"), context);
  if (denied !== undefined) return denied;
  switch (rule) {
    case "open":
      return { pass: true, decision: policy.access };
    case "tool":
      return judgeName(message, "tool", "name", context, decisionId);
    case "prompt":
      return judgeName(message, "prompt", "name", context, decisionId);
    case "resource":
      return judgeName(message, "resource", "uri", context, decisionId);
    case "task":
      return judgeName(message, "task", "taskId", context, decisionId);
    case "completion":
      return judgeReference(message.inner.get("ref"), context, decisionId);
    case "listen":
      return judgeListen(message, context, decisionId);
    case undefined:
      return isUnrestricted(policy)
        ? { pass: true, decision: policy.access }
        : refused("unknown_method", -32601, "Method not found");
  }
}

function judgeName(
  message: RequestMessage,
  kind: TargetKind,
  member: string,
  context: Context,
  decisionId: string,
): Judgement {
  const value = message.inner.get(member);
  const name = targetName(kind, value);
  if (name === undefined) {
    const missing = value === undefined || value.string() === "";
    return refused(
      "bad_params",
      missing ? -32600 : -32602,
      missing ? "Invalid request" : "Invalid params",
      missing ? `missing params.${member}` : `params.${member} is not a plain string`,
    );
  }
  return judge({ kind, name }, context, decisionId, message.inner.get("arguments"));
}

/** What names a target, if every reader would read the same name there. */
export function targetName(kind: TargetKind, value: JsonView | undefined): string | undefined {
  return plainName(value, kind === "resource" ? MAX_URI_BYTES : MAX_NAME_BYTES);
}

function judge(
  target: Target,
  context: Context,
  decisionId: string,
  args?: JsonView,
): Judgement {
  const decision = decideCall(target, context, args);
  if (decision.effect === "allow") return { pass: true, decision, target };
  return {
    pass: false,
    reason: decision === NOT_OWNED ? "task_not_owned" : "denied",
    error: denial(target, decisionId),
    decision,
    target,
  };
}

/** What the client reads: that roles decided, and by which id an administrator finds why. */
function denial({ kind, name }: Target, decisionId: string): RpcError {
  return {
    code: -32602,
    message: kind === "task"
      ? "Task not found"
      : `Access to this ${kind} is enforced by your roles. Contact your Postern administrator`,
    data: `access to ${kind} ${JSON.stringify(name)} denied, decision ${decisionId}`,
  };
}

function judgeReference(
  ref: JsonView | undefined,
  context: Context,
  decisionId: string,
): Judgement {
  const members = fields(ref, REF_MEMBERS);
  const type = members?.get("type")?.string();
  const kind = type === "ref/prompt" ? "prompt" : type === "ref/resource" ? "resource" : undefined;
  const name = kind && targetName(kind, members?.get(kind === "prompt" ? "name" : "uri"));
  if (kind === undefined || name === undefined) {
    return refused("bad_params", -32602, "Invalid params", "params.ref is not a reference");
  }
  return judge({ kind, name }, context, decisionId);
}

function judgeListen(message: RequestMessage, context: Context, decisionId: string): Judgement {
  const filter = message.inner.get("notifications");
  const members = filter === undefined ? EMPTY : fields(filter, LISTEN_MEMBERS);
  const own = fields(message.params, LISTEN_MEMBERS) ?? EMPTY;
  if (members === undefined) {
    return refused("bad_params", -32602, "Invalid params", "params.notifications is ambiguous");
  }
  const wanted: [TargetKind, JsonView | undefined][] = [
    ["resource", members.get("resourceSubscriptions")],
    ["task", members.get("taskIds")],
    ["task", own.get("taskIds")],
  ];
  for (const [kind, list] of wanted) {
    if (list === undefined) continue;
    if (list.type !== "array") {
      return refused("bad_params", -32602, "Invalid params", "a subscription is not a list");
    }
    for (const element of list.elements()) {
      const name = targetName(kind, element);
      if (name === undefined) {
        return refused("bad_params", -32602, "Invalid params", "a subscription is not a string");
      }
      const judged = judge({ kind, name }, context, decisionId);
      if (!judged.pass) return judged;
    }
  }
  return { pass: true, decision: context.policy.access };
}

/**
 * Answers of a model that call tools, in a sampling result or in the `inputResponses` of a
 * repeated call; the server acts on them, so they are judged like a call.
 */
export function deniedToolUse(
  responses: JsonView | undefined,
  context: Context,
): Denied | undefined {
  if (responses === undefined || responses.type === "null") return undefined;
  // Some readers take a list for an object whose names are numbers.
  if (responses.type !== "object") return ambiguousAnswer();
  for (const [, response] of responses.members()) {
    const denied = deniedAnswer(response, context);
    if (denied !== undefined) return denied;
  }
  return undefined;
}

function deniedAnswer(answer: JsonView, context: Context): Denied | undefined {
  if (answer.type === "array") return ambiguousAnswer();
  if (answer.type !== "object") return undefined;
  const members = fields(answer, ANSWER_MEMBERS);
  if (members === undefined) return ambiguousAnswer();
  // Some peers wrap the answer once more, in `result`.
  const wrapped = members.get("result");
  return deniedContent(members.get("content"), context) ??
    (wrapped && deniedAnswer(wrapped, context));
}

/** The same for the `content` of one answer: a block or a list of them. */
export function deniedContent(
  content: JsonView | undefined,
  context: Context,
): Denied | undefined {
  if (content === undefined) return undefined;
  for (const block of content.type === "array" ? content.elements() : [content]) {
    // A list in a list is no content, but some readers flatten it.
    if (block.type === "array") return ambiguousAnswer();
    if (!mayBeToolUse(block)) continue;
    const members = fields(block, CONTENT_MEMBERS);
    const name = plainName(members?.get("name"));
    if (name === undefined) return ambiguousAnswer();
    const target: Target = { kind: "tool", name };
    const decision = decideCall(target, context, members?.get("input"));
    if (decision.effect === "allow") continue;
    const error = { code: -32602, message: "The answer uses a tool that your roles do not allow" };
    return { pass: false, reason: "denied", error, decision, target };
  }
  return undefined;
}

/** Whether some reader takes the block for the use of a tool; forms have fields of any name. */
function mayBeToolUse(block: JsonView): boolean {
  return block.members().some(([key, value]) =>
    foldName(key) === "type" && value.string() === "tool_use"
  );
}

function ambiguousAnswer(): Denied {
  return {
    pass: false,
    reason: "ambiguous_key",
    error: { code: -32602, message: "The answer cannot be read in one way only" },
  };
}

/**
 * The named members of an object; `undefined` if it is none, or if another key differs from one
 * of the names in case only, so that readers would not agree on it.
 */
export function fields(
  value: JsonView | undefined,
  names: ReadonlySet<string>,
): Map<string, JsonView> | undefined {
  if (value?.type !== "object") return undefined;
  const found = new Map<string, JsonView>();
  for (const [key, member] of value.members()) {
    if (names.has(key)) found.set(key, member);
    else if (isCaseTwin(key, names)) return undefined;
  }
  return found;
}

function refused(reason: GateReason, code: number, message: string, data?: string): Judgement {
  return {
    pass: false,
    reason,
    error: data === undefined ? { code, message } : { code, message, data },
  };
}

const NOT_OWNED: Decision = { effect: "deny", because: "no_match" };
const EMPTY: ReadonlyMap<string, JsonView> = new Map();
const REF_MEMBERS: ReadonlySet<string> = new Set(["type", "name", "uri"]);
const LISTEN_MEMBERS: ReadonlySet<string> = new Set(["resourceSubscriptions", "taskIds"]);
const ANSWER_MEMBERS: ReadonlySet<string> = new Set(["content", "result"]);
const CONTENT_MEMBERS: ReadonlySet<string> = new Set(["type", "name", "input"]);
