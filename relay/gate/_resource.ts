import type { Decision, GatePolicy } from "./policy.ts";

/**
 * Decides on a resource. A URI that climbs (`docs/../etc`) must be allowed as it is written and as
 * a server may resolve it, so that a rule for a folder is not a rule for its neighbours.
 */
export function decideResource(uri: string, policy: GatePolicy): Decision {
  const decision = policy.decideResource(uri);
  if (decision.effect === "deny") return decision;
  const target = climbs(uri);
  return target === undefined ? decision : policy.decideResource(target);
}

/** Where a URI with `..` segments leads; `undefined` if it has none. */
function climbs(uri: string): string | undefined {
  if (!uri.includes("..") && !uri.includes("%")) return undefined;
  const scheme = uri.indexOf("://") + 1;
  const root = scheme === 0 ? 0 : scheme + 2;
  const segments = decoded(uri.slice(root)).replaceAll("\\", "/").split("/");
  if (!segments.includes("..")) return undefined;
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment !== "..") kept.push(segment);
    // The authority in front of the first slash stays.
    else if (kept.length > 1) kept.pop();
  }
  return uri.slice(0, root) + kept.join("/");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded as a whole; the dots may still be.
    return text.replaceAll("%2e", ".").replaceAll("%2E", ".").replaceAll("%2f", "/")
      .replaceAll("%2F", "/").replaceAll("%5c", "\\").replaceAll("%5C", "\\");
  }
}
