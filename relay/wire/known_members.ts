/**
 * The member names that decide what a message does. A key that a reader who ignores case would
 * take for one of them is refused: the Go servers of CVE-2026-27896 read `Name` for `name`.
 */

import { foldName } from "../../policy/names/mod.ts";

/** The names a JSON-RPC message may have, and no others. */
export const MESSAGE_MEMBERS: ReadonlySet<string> = new Set([
  "jsonrpc",
  "id",
  "method",
  "params",
  "result",
  "error",
]);

/** The names inside `params` or `result` that the gate judges by. */
export const INNER_MEMBERS: ReadonlySet<string> = new Set([
  "_meta",
  "argument",
  "arguments",
  "cacheScope",
  "code",
  "content",
  "context",
  "cursor",
  "data",
  "inputRequests",
  "inputResponses",
  "message",
  "name",
  "nextCursor",
  "notifications",
  "progressToken",
  "prompts",
  "ref",
  "requestId",
  "requestState",
  "resourceTemplates",
  "resources",
  "resultType",
  "skills",
  "status",
  "task",
  "taskId",
  "tasks",
  "toolChoice",
  "tools",
  "ttlMs",
  "uri",
]);

/** Whether `name` is not one of `known` but would be if case did not matter. */
export function isCaseTwin(name: string, known: ReadonlySet<string>): boolean {
  if (known.has(name)) return false;
  let folded = FOLDED.get(known);
  if (folded === undefined) {
    folded = new Set([...known].map(foldName));
    FOLDED.set(known, folded);
  }
  return folded.has(foldName(name));
}

const FOLDED = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();
