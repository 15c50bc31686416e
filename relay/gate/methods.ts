/** Every method of MCP, legacy and modern, and what the gate does with it. */
import type { TargetKind } from "./step.ts";

/** How a request of the client is judged. */
export type ClientRule =
  /** Reaching the app is enough. */
  | "open"
  /** By `params.name`, a tool. */
  | "tool"
  /** By `params.uri`. */
  | "resource"
  /** By `params.name`, a prompt. */
  | "prompt"
  /** By `params.ref`, a prompt or a resource. */
  | "completion"
  /** By `params.taskId`: its owner, and its tool anew. */
  | "task"
  /** By each resource and task that it subscribes to. */
  | "listen";

export const CLIENT_REQUESTS: ReadonlyMap<string, ClientRule> = new Map([
  // Both eras.
  ["tools/list", "open"],
  ["tools/call", "tool"],
  ["resources/list", "open"],
  ["resources/templates/list", "open"],
  ["resources/read", "resource"],
  ["prompts/list", "open"],
  ["prompts/get", "prompt"],
  ["completion/complete", "completion"],
  ["tasks/get", "task"],
  ["tasks/cancel", "task"],
  // Legacy, up to 2025-11-25.
  ["initialize", "open"],
  ["ping", "open"],
  ["logging/setLevel", "open"],
  ["resources/subscribe", "resource"],
  ["resources/unsubscribe", "open"],
  ["tasks/result", "task"],
  ["tasks/list", "open"],
  // Modern, 2026-07-28, and extensions.
  ["server/discover", "open"],
  ["subscriptions/listen", "listen"],
  ["tasks/update", "task"],
  ["skills/list", "open"],
  ["skills/get", "resource"],
  ["resources/directory/read", "resource"],
]);

/**
 * Methods that revision 2026-07-28 has removed and that are judged by their parameters. A modern
 * request for one hears that there is no such method, and never that a parameter is wrong; it is
 * not passed on, since a legacy server would take it. Other removed methods the server refuses.
 */
export const REMOVED_REQUESTS: ReadonlySet<string> = new Set([
  "resources/subscribe",
  "tasks/result",
]);

/** Answers that are lists; each entry that a request for it would be refused is taken out. */
export interface ListRule {
  /** The array in the result. */
  readonly member: string;
  /** The entry's member that names it. */
  readonly name: string;
  readonly kind: TargetKind;
}

export const LISTS: ReadonlyMap<string, ListRule> = new Map<string, ListRule>([
  ["tools/list", { member: "tools", name: "name", kind: "tool" }],
  ["resources/list", { member: "resources", name: "uri", kind: "resource" }],
  [
    "resources/templates/list",
    { member: "resourceTemplates", name: "uriTemplate", kind: "resource" },
  ],
  ["resources/directory/read", { member: "resources", name: "uri", kind: "resource" }],
  ["prompts/list", { member: "prompts", name: "name", kind: "prompt" }],
  ["skills/list", { member: "skills", name: "uri", kind: "resource" }],
  ["tasks/list", { member: "tasks", name: "taskId", kind: "task" }],
]);

export const CLIENT_NOTIFICATIONS: ReadonlySet<string> = new Set([
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "notifications/tasks/status",
]);

/** Requests that a server may send to a client; none of them in the modern era. */
export const SERVER_REQUESTS: ReadonlySet<string> = new Set([
  "ping",
  "roots/list",
  "sampling/createMessage",
  "elicitation/create",
  "tasks/get",
  "tasks/result",
  "tasks/list",
  "tasks/cancel",
]);

/** How a notification of the server is judged. */
export type ServerNotificationRule = "open" | "resource" | "task";

export const SERVER_NOTIFICATIONS: ReadonlyMap<string, ServerNotificationRule> = new Map([
  ["notifications/cancelled", "open"],
  ["notifications/progress", "open"],
  ["notifications/message", "open"],
  ["notifications/tools/list_changed", "open"],
  ["notifications/resources/list_changed", "open"],
  ["notifications/prompts/list_changed", "open"],
  ["notifications/elicitation/complete", "open"],
  ["notifications/subscriptions/acknowledged", "open"],
  ["notifications/resources/updated", "resource"],
  ["notifications/tasks/status", "task"],
  ["notifications/tasks", "task"],
]);

/** What tells the client to read a kind of list again. */
export const LIST_CHANGED: ReadonlyMap<TargetKind, { method: string; listen: string }> = new Map([
  ["tool", { method: "notifications/tools/list_changed", listen: "toolsListChanged" }],
  ["resource", { method: "notifications/resources/list_changed", listen: "resourcesListChanged" }],
  ["prompt", { method: "notifications/prompts/list_changed", listen: "promptsListChanged" }],
]);

export const META_PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion";
export const META_SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";
