/**
 * What a bot may do with an app now. The authority asks before it grants a session and the agent
 * asks for as long as one lasts: both ask here, so that they cannot come to different answers.
 */
import {
  type AppPolicy,
  compilePolicy,
  describeDecision,
  PolicyError,
  toolPatterns,
} from "../../policy/mod.ts";
import type { Role, ToolPatterns } from "../../policy/mod.ts";
import type { App } from "../app.ts";
import type { RoleTools } from "../authority/api.ts";
import type { ClusterView } from "../authority/view.ts";
import type { Principal } from "../x509/claims.ts";

export type Access =
  | { readonly kind: "allowed"; readonly policy: AppPolicy }
  /** `because` is for logs and the audit log, not for the peer. */
  | { readonly kind: "denied"; readonly because: string };

/** Who a certificate's holder is now: with the roles that the bot still has, and today's traits. */
export function effectivePrincipal(view: ClusterView, claimed: Principal): Principal {
  const { bot, instance } = claimed;
  const standing = view.standing(bot, instance);
  if (standing.kind !== "live") return { bot, instance, roles: [], traits: {} };
  // A role counts only while both the certificate and the bot have it.
  const roles = claimed.roles.filter((name) => standing.roles.includes(name));
  return { bot, instance, roles, traits: standing.traits };
}

/** The policy of an effective principal for an app, or why it has no access at all. */
export function accessOf(view: ClusterView, principal: Principal, app: App): Access {
  const roles: Role[] = [];
  for (const name of principal.roles) {
    const role = view.role(name);
    // INVARIANT (closed): what a missing role would have denied is unknown.
    if (role === undefined) return denied(`role "${name}" does not exist`);
    roles.push(role);
  }
  try {
    const subject = { name: `bot-${principal.bot}`, traits: principal.traits };
    const policy = compilePolicy(roles, subject, { ...app, approved: view.approved(app.name) });
    return policy.access.effect === "allow"
      ? { kind: "allowed", policy }
      : denied(describeDecision(policy.access));
  } catch (error) {
    if (error instanceof PolicyError) return denied(error.message);
    throw error;
  }
}

/** What the roles of an effective principal say about an app's tools; only where it has access. */
export function toolsOf(view: ClusterView, principal: Principal, app: App): ToolPatterns {
  const roles = principal.roles.map((name) => view.role(name)).filter((role) => role !== undefined);
  const subject = { name: `bot-${principal.bot}`, traits: principal.traits };
  return toolPatterns(roles, subject, { ...app, approved: view.approved(app.name) });
}

/** The same of each role by itself, where it says anything: why a tool is allowed or denied. */
export function toolsByRole(view: ClusterView, principal: Principal, app: App): RoleTools[] {
  return principal.roles.map((role) => ({
    role,
    ...toolsOf(view, { ...principal, roles: [role] }, app),
  })).filter(({ allowed, denied }) => allowed.length + denied.length > 0);
}

function denied(because: string): Access {
  return { kind: "denied", because };
}
