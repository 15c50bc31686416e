/**
 * What must hold for any line at all. The scanner takes exactly what a strict parser takes, and
 * reads the same in it; the gate throws nothing, and lets no call pass that it would not list.
 */
import { Gate } from "../../relay/gate/mod.ts";
import { compact } from "../../relay/wire/compact.ts";
import { policyOf } from "../../tests/relay/gate_support.ts";
import { canonicalJson } from "../../tests/support/canonical_json.ts";
import { below, type Random } from "./mutate.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ignore = { key() {}, value() {} };

/** Why the scanner is wrong about a line; `undefined` if it is right. */
export function checkScanner(line: Uint8Array): string | undefined {
  const expected = strictly(line);
  const found = compact(line, ignore);
  if (found === undefined) return expected === undefined ? undefined : "refused what is JSON";
  if (expected === undefined) return "took what is no JSON";
  if (found.ambiguity !== undefined) return undefined;
  const written = strictly(found.bytes);
  return written === expected ? undefined : `wrote another value: ${written}`;
}

/** The text in its one spelling, as two parsers written apart from the scanner read it. */
function strictly(line: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(line);
    JSON.parse(text);
    return canonicalJson(text);
  } catch {
    return undefined;
  }
}

/** What is listed by one method and reached by another; the names tried, and the patterns drawn from. */
const KINDS = [
  {
    list: "tools/list",
    member: "tools",
    key: "name",
    reach: "tools/call",
    by: "name",
    names: ["read_a", "read_b", "write", "echo", "get-sum", "get-env"],
    patterns: ["read_a", "read_*", "write", "echo", "get-*", "get-env"],
    grant: "tools",
  },
  ...([["resources/list", "resources", "uri"], [
    "resources/templates/list",
    "resourceTemplates",
    "uriTemplate",
  ]] as const).map(([list, member, key]) => ({
    list,
    member,
    key,
    reach: "resources/read",
    by: "uri",
    // Templates without a variable are URIs; one that climbs must be allowed where it leads too.
    names: ["file:///docs/a", "file:///docs/b/c", "file:///docs/../etc", "file:///etc", "demo://x"],
    patterns: ["file:///docs/*", "file:///docs/a", "file:///etc", "demo://*", "file:///*"],
    grant: "resources" as const,
  })),
  {
    list: "prompts/list",
    member: "prompts",
    key: "name",
    reach: "prompts/get",
    by: "name",
    names: ["simple", "simple-args", "complex", "x"],
    patterns: ["simple", "simple*", "complex", "c*"],
    grant: "prompts",
  },
] as const;

/** Plays lines through a gate under a random policy; why it is wrong about one of them. */
export function checkGate(lines: readonly Uint8Array[], next: Random): string | undefined {
  const grants = { tools: [] as string[], resources: [] as string[], prompts: [] as string[] };
  for (const { grant, patterns } of KINDS) {
    grants[grant] = patterns.filter(() => next() < 0.4);
  }
  const policy = policyOf(grants);
  const gate = new Gate({ policy: () => policy, newDecisionId: () => "d", owner: "fuzz" });
  for (const line of lines) {
    const fromClient = below(next, 2) === 0;
    const { forward, reply } = fromClient ? gate.fromClient(line) : gate.fromServer(line);
    if (reply !== undefined) JSON.parse(utf8.decode(reply));
    if (forward === undefined || !fromClient) continue;
    const { method, params } = JSON.parse(utf8.decode(forward));
    const kind = KINDS.find(({ reach }) => reach === method);
    const name = kind && params?.[kind.by];
    if (kind && !grants[kind.grant].some((pattern) => covers(pattern, name))) {
      return `${method} of ${name} passed, with ${grants[kind.grant]} allowed`;
    }
  }
  for (const kind of KINDS) {
    const wrong = checkParity(gate, kind);
    if (wrong !== undefined) return `${wrong}, with ${grants[kind.grant]} allowed`;
  }
  return undefined;
}

function covers(pattern: string, name: unknown): boolean {
  if (typeof name !== "string") return false;
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** INVARIANT (list = call), whatever the gate has been through: the same names in both. */
function checkParity(gate: Gate, kind: typeof KINDS[number]): string | undefined {
  const { list, member, key, reach, by, names } = kind;
  const id = `fuzz-${list}`;
  gate.fromClient(bytes({ jsonrpc: "2.0", id, method: list }));
  const entries = names.map((name) => ({ [key]: name }));
  const answer = gate.fromServer(bytes({ jsonrpc: "2.0", id, result: { [member]: entries } }));
  if (answer.forward === undefined) return `${list} is not answered`;
  const kept: Record<string, string>[] = JSON.parse(utf8.decode(answer.forward)).result[member];
  const listed = new Set(kept.map((entry) => entry[key]));
  for (const [index, name] of names.entries()) {
    const call = { jsonrpc: "2.0", id: `${id}-${index}`, method: reach, params: { [by]: name } };
    const passed = gate.fromClient(bytes(call)).forward !== undefined;
    if (passed !== listed.has(name)) {
      return `${name}: ${list} shows ${listed.has(name)}, ${reach} passes ${passed}`;
    }
  }
  return undefined;
}

function bytes(message: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}
