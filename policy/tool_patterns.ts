import { isGuarded } from "./app_policy.ts";
import { listRules } from "./compile_policy.ts";
import type { AppFacts } from "./labels.ts";
import type { Role, Subject } from "./role.ts";

/** Which tools of an app somebody may call, in the words of the roles. */
export interface ToolPatterns {
  /** Patterns of tools of which some call may be allowed; empty when all are denied. */
  readonly allowed: readonly string[];
  /** Patterns of tools that are denied whatever the call. */
  readonly denied: readonly string[];
}

/**
 * The patterns that decide about an app's tools, sorted, for a person to read: a decision is made
 * by a policy alone. Throws as `compilePolicy` does.
 */
export function toolPatterns(
  roles: readonly Role[],
  subject: Subject,
  app: AppFacts,
): ToolPatterns {
  const { access, tools } = listRules(roles, subject, app);
  // A rule that looks at the call or at the definition denies some calls only.
  const denials = tools.deny.filter((entry) => !isGuarded(entry));
  const closed = access.effect === "deny" || denials.some(({ pattern }) => pattern.kind === "any");
  return { allowed: closed ? [] : sources(tools.allow), denied: sources(denials) };
}

function sources(entries: readonly { readonly pattern: { readonly source: string } }[]): string[] {
  return [...new Set(entries.map(({ pattern }) => pattern.source))].sort();
}
