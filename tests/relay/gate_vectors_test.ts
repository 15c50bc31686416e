import assert from "node:assert/strict";
import { Gate } from "../../relay/gate/mod.ts";
import { test } from "../support/harness.ts";
import { policyOf, type Vector, vectors } from "./gate_support.ts";

for (const vector of vectors("attacks")) {
  test(`attack: ${vector.name}`, () => run(vector));
}

for (const vector of vectors("gate")) {
  test(`gate: ${vector.name}`, () => run(vector));
}

/** Plays the steps against one gate and compares what each side receives, byte for byte. */
function run({ policy, steps }: Vector): void {
  let grants = policy;
  let decisions = 0;
  const gate = new Gate({
    policy: () => policyOf(grants),
    newDecisionId: () => `d${++decisions}`,
    owner: "bot/1",
  });
  steps.forEach((step, index) => {
    const at = `step ${index + 1}`;
    if (step.from === "policy") {
      grants = { ...grants, ...step.policy };
      const { messages, close } = gate.policyChanged();
      assert.deepEqual(messages.map(text), step.toClient, `${at}: what the client receives`);
      assert.equal(close?.code, step.close, `${at}: whether the session ends`);
      return;
    }
    const fromClient = step.from === "client";
    const { before = [], forward, reply, records, close } = fromClient
      ? gate.fromClient(step.line)
      : gate.fromServer(step.line);
    const there = [...before, ...(forward === undefined ? [] : [forward])].map(text);
    const back = reply === undefined ? [] : [text(reply)];
    assert.deepEqual(fromClient ? there : back, step.toServer, `${at}: what the server receives`);
    assert.deepEqual(fromClient ? back : there, step.toClient, `${at}: what the client receives`);
    assert.equal(records[0]?.reason, step.reason, `${at}: what the audit log hears`);
    assert.equal(records[0]?.hidden, step.hidden, `${at}: how many entries were hidden`);
    assert.equal(close?.code, step.close, `${at}: whether the session ends`);
  });
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
