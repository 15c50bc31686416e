import type { Approval } from "../../identity/authority/admin/mod.ts";
import type { Approved } from "../../policy/mod.ts";

/** The approved definitions of one app's tools. */
export function approvedOf(app: string, approvals: readonly Approval[]): Approved {
  const found = new Map<string, Set<string>>();
  for (const { tool, sha256 } of approvals.filter((each) => each.app === app)) {
    const digests = found.get(tool) ?? new Set();
    found.set(tool, digests.add(sha256));
  }
  return found;
}
