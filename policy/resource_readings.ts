/**
 * What servers may take the URI of a resource for, beside what is written. Rules are written in one
 * spelling, and servers read many.
 */
import type { Decision } from "./decision.ts";

/**
 * Decides on a resource by what rules say of one spelling. A URI that climbs (`docs/../etc`) must be
 * allowed as it is written and as a server may resolve it, so that a rule for a folder is not a rule
 * for its neighbours. However a URI is spelled, what a rule denies stays denied: `%73ecret` is
 * `secret` to a server that decodes.
 */
export function decideReadings(uri: string, decide: (spelling: string) => Decision): Decision {
  const decision = decide(uri);
  if (decision.effect === "deny") return decision;
  for (const reading of readings(uri)) {
    const other = decide(reading.uri);
    if (other.effect === "allow") continue;
    // Rules that allow may be written in one spelling; only those that deny hold for all.
    if (reading.climbs || other.because === "denied_by_rule") return other;
  }
  return decision;
}

interface Reading {
  readonly uri: string;
  readonly climbs: boolean;
}

/** What servers may take a URI for, beside what is written. */
function readings(uri: string): Reading[] {
  const text = decoded(uri.trim()).replaceAll("\\", "/");
  const bare = decoded(uri.trim().replace(/[?#].*$/s, "")).replaceAll("\\", "/");
  const climbs = text.split("/").includes("..");
  const spelled = new Set([text, bare, asUrl(text), asUrl(bare)]);
  const found = new Set([climbed(text), ...[...spelled].map(resolved)]);
  found.delete(uri);
  return [...found].map((reading) => ({ uri: reading, climbs }));
}

/** Without the `..` segments; empty ones count, as they do for URLs. */
function climbed(text: string): string {
  const scheme = text.indexOf("://") + 1;
  const root = scheme === 0 ? 0 : scheme + 2;
  const kept: string[] = [];
  for (const segment of text.slice(root).split("/")) {
    if (segment !== "..") kept.push(segment);
    // The authority in front of the first slash stays.
    else if (kept.length > 1) kept.pop();
  }
  return text.slice(0, root) + kept.join("/");
}

/** As web clients read it: `https:host/x` and `https://user@host:443/x` are `https://host/x`. */
function asUrl(text: string): string {
  if (!/^(?:https?|wss?|ftp|file):/i.test(text) || !URL.canParse(text)) return text;
  const { protocol, host, pathname, search } = new URL(text);
  // The root of all names may be written behind a host.
  return decoded(`${protocol}//${host.replace(/\.(?=:|$)/, "")}${pathname}${search}`);
}

/** The shortest spelling: scheme and host in lower case, no segment that leads nowhere. */
function resolved(text: string): string {
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text) ?? [];
  if (scheme === undefined) return text;
  const name = scheme.toLowerCase();
  if (!rest.startsWith("/")) return `${name}:${rest}`;
  const [, authority = "", path = ""] = /^(?:\/\/([^/]*))?(.*)$/s.exec(rest) ?? [];
  const host = authority.toLowerCase();
  const kept: string[] = [];
  const segments = path.split("/");
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === "..") kept.pop();
    else if (segment !== "." && (segment !== "" || last)) kept.push(segment);
  });
  const slash = path === "" ? "" : "/";
  return `${name}://${name === "file" && host === "localhost" ? "" : host}${slash}${
    kept.join("/")
  }`;
}

/** Percent-decoded, as often as it was encoded: some servers do it once, some twice. */
function decoded(text: string): string {
  let last = text;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = decodedOnce(last);
    if (next === last) break;
    last = next;
  }
  return last;
}

function decodedOnce(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded as a whole; what is ASCII may still be.
    return text.replace(
      /%([2-7][0-9a-f])/gi,
      (_, hex: string) => String.fromCharCode(parseInt(hex, 16)),
    );
  }
}

const MAX_ROUNDS = 3;
