import { addCompletions } from "../completions.ts";
import type { TctlHost } from "./_tctl_host.ts";
import { tctlContext, tctlRoot } from "./_tctl_root.ts";
import type { TctlRoot } from "./_tctl_root.ts";
import { addAudit } from "./tctl_audit.ts";
import { addAuth } from "./tctl_auth.ts";
import { addBoundKeypair } from "./tctl_bound_keypair.ts";
import { addBots } from "./tctl_bots.ts";
import { addEdit } from "./tctl_edit.ts";
import { addLock } from "./tctl_lock.ts";
import { addMcp } from "./tctl_mcp.ts";
import { addResources } from "./tctl_resources.ts";
import { addSessions } from "./tctl_sessions.ts";
import { addStatus } from "./tctl_status.ts";
import { addTokens } from "./tctl_tokens.ts";

export type { TctlHost } from "./_tctl_host.ts";

/**
 * The commands of tctl. They throw: `IdentityError`, or commander's own error once it has told the
 * user on stderr. Whoever runs them turns either into an exit code.
 */
export function tctl(host: TctlHost): TctlRoot {
  const root = tctlRoot(host);
  const context = tctlContext(host, root);
  addResources(root, context);
  addEdit(root, context);
  addBots(root, context);
  addTokens(root, context);
  addBoundKeypair(root, context);
  addLock(root, context);
  addSessions(root, context);
  addStatus(root, context);
  addAuth(root, context);
  addAudit(root, context);
  addMcp(root, context);
  addCompletions(root, host);
  root.command("version").description("Print the version")
    .action(() => context.say(`Postern v${host.version}`));
  return root;
}
