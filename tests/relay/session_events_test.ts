// What a session's events tell, and what they keep to themselves.
import assert from "node:assert/strict";
import { createRedactor, parsePath, type RedactionPath } from "../../identity/audit/mod.ts";
import type { SessionClaims } from "../../identity/mod.ts";
import { SessionEvents } from "../../relay/agent/events.ts";
import { Gate } from "../../relay/gate/mod.ts";
import { readOutgoing } from "../../relay/http/outgoing.ts";
import { test } from "../support/harness.ts";
import { policyOf } from "./gate_support.ts";

const claims = {
  session: "s",
  bot: "b",
  instance: "i",
  app: "a",
  roles: [],
} as unknown as SessionClaims;

/** The events of a request and of its answer. */
function eventsOf(paths: readonly string[], method: string, params: object): string[] {
  const parsed = paths.map((text): RedactionPath => {
    const path = parsePath(text);
    assert.ok(path.ok, text);
    return path.path;
  });
  const events = new SessionEvents(claims, undefined, createRedactor(parsed, "ab".repeat(32)));
  const policy = policyOf({ tools: ["*"] });
  const gate = new Gate({ policy: () => policy, newDecisionId: () => "d" });
  const line = (rest: object) =>
    new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id: 1, ...rest }));
  const asked = gate.fromClient(line({ method, params }));
  assert.ok(asked.forward);
  const answered = gate.fromServer(line({ result: {} }));
  return [...asked.records, ...answered.records].map((record) => events.message(record) ?? "");
}

const SECRET = "postgres://user:hunter2@db/x";
const cases: [path: string, method: string, params: object][] = [
  ["$.params.uri", "resources/read", { uri: SECRET }],
  ["$..uri", "completion/complete", {
    ref: { type: "ref/resource", uri: SECRET },
    argument: { name: "a", value: "b" },
  }],
  ["$.params", "resources/read", { uri: SECRET }],
  ["$.params.*", "tools/call", { name: SECRET }],
  ["$.params['name']", "prompts/get", { name: SECRET }],
];
for (const [path, method, params] of cases) {
  test(`what ${path} redacts of ${method} is in no field of its events`, () => {
    const [asked = "", answered = ""] = eventsOf([path], method, params);
    for (const text of [asked, answered]) {
      assert.ok(text.includes(`"decision_id":"d"`), text);
      assert.ok(!text.includes("hunter2"), text);
    }
    const { resource, tool, prompt } = JSON.parse(asked);
    assert.match(String(resource ?? tool ?? prompt), /^hmac-sha256:[0-9a-f]{64}$/);
  });
}

test("other paths leave the name of what was asked for", () => {
  const name = `hmac-sha256:${"0".repeat(64)} and more`;
  const [asked = ""] = eventsOf(["$.params.arguments.password"], "tools/call", { name });
  assert.equal(JSON.parse(asked).tool, name);
});

test("what the agent asks a server itself is redacted like anything else", () => {
  const path = parsePath("$..token");
  assert.ok(path.ok);
  const events = new SessionEvents(claims, undefined, createRedactor([path.path], "ab".repeat(32)));
  const params = { _meta: { token: "hunter2" } };
  const request = { jsonrpc: "2.0", id: "a", method: "tools/list", params };
  const message = readOutgoing(new TextEncoder().encode(JSON.stringify(request)));
  const text = JSON.stringify(events.asked({ message, because: "why" }));
  assert.ok(text.includes('"token":"hmac-sha256:'), text);
  assert.ok(!text.includes("hunter2"), text);
});
