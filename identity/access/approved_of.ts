import type { Approved } from "../../policy/mod.ts";

/** The approved definitions of one app's tools; `undefined` for none. */
export function approvedOf(
  app: string,
  approvals: Iterable<{ readonly app: string; readonly tool: string; readonly sha256: string }>,
): Approved | undefined {
  const found = new Map<string, Set<string>>();
  for (const approval of approvals) {
    if (approval.app !== app) continue;
    const digests = found.get(approval.tool) ?? new Set();
    found.set(approval.tool, digests.add(approval.sha256));
  }
  return found.size > 0 ? found : undefined;
}
