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

const NAMES = ["read_a", "read_b", "write", "echo", "get-sum", "get-env"];

/** Plays lines through a gate under a random policy; why it is wrong about one of them. */
export function checkGate(lines: readonly Uint8Array[], next: Random): string | undefined {
  const tools = NAMES.filter(() => next() < 0.5);
  const policy = policyOf({ tools });
  const gate = new Gate({ policy: () => policy, newDecisionId: () => "d", owner: "fuzz" });
  for (const line of lines) {
    const fromClient = below(next, 2) === 0;
    const { forward, reply } = fromClient ? gate.fromClient(line) : gate.fromServer(line);
    if (reply !== undefined) JSON.parse(utf8.decode(reply));
    if (forward === undefined) continue;
    const message = JSON.parse(utf8.decode(forward));
    const name = message.params?.name;
    if (fromClient && message.method === "tools/call" && !tools.includes(name)) {
      return `a call of ${name} passed, with ${tools} allowed`;
    }
  }
  return checkParity(gate);
}

/** INVARIANT (list = call), whatever the gate has been through: the same names in both. */
function checkParity(gate: Gate): string | undefined {
  const listId = '"fuzz-list"';
  gate.fromClient(bytes(`{"jsonrpc":"2.0","id":${listId},"method":"tools/list"}`));
  const tools = JSON.stringify(NAMES.map((name) => ({ name })));
  const answer = gate.fromServer(
    bytes(`{"jsonrpc":"2.0","id":${listId},"result":{"tools":${tools}}}`),
  );
  const listed = new Set(
    JSON.parse(utf8.decode(answer.forward)).result.tools.map((tool: { name: string }) => tool.name),
  );
  for (const [index, name] of NAMES.entries()) {
    const call = { jsonrpc: "2.0", id: `fuzz-${index}`, method: "tools/call", params: { name } };
    const passed = gate.fromClient(bytes(JSON.stringify(call))).forward !== undefined;
    if (passed !== listed.has(name)) return `${name}: listed ${listed.has(name)}, called ${passed}`;
  }
  return undefined;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
