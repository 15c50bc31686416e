import type { AppPolicy } from "./app_policy.ts";
import type { Decision } from "./decision.ts";
import type { AppFacts } from "./labels.ts";
import type { Subject } from "./role.ts";

/** One question: may this principal do this with this app? */
export interface Ask {
  readonly subject: Subject;
  readonly app: AppFacts;
  readonly what: What;
}

/** What is asked for; `app` is whether the app may be reached at all. */
export type What =
  | { readonly kind: "app" }
  | {
    readonly kind: "tool";
    readonly name: string;
    readonly arguments?: unknown;
    /** SHA-256 of the tool's definition. */
    readonly definition?: string;
  }
  | { readonly kind: "resource"; readonly uri: string }
  | { readonly kind: "prompt"; readonly name: string };

/** Puts a question to a policy that was compiled for its principal and app. */
export function decide(policy: AppPolicy, what: What): Decision {
  switch (what.kind) {
    case "app":
      return policy.access;
    case "tool":
      return policy.decideTool(what.name, {
        arguments: () => what.arguments,
        definition: what.definition,
      });
    case "resource":
      return policy.decideResource(what.uri);
    case "prompt":
      return policy.decidePrompt(what.name);
  }
}

/** What is asked for, in words. */
export function describeWhat(what: What): string {
  switch (what.kind) {
    case "app":
      return "reach the app";
    case "tool":
      return what.arguments === undefined
        ? `call tool ${what.name}`
        : `call tool ${what.name} with ${JSON.stringify(what.arguments)}`;
    case "resource":
      return `use resource ${what.uri}`;
    case "prompt":
      return `use prompt ${what.name}`;
  }
}
