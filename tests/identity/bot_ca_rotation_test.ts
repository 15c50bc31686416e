// tbot notices a rotation of the cluster's CAs between two renewals.
import assert from "node:assert/strict";
import type { TrustBundle } from "../../identity/authority/api.ts";
import type { AuthorityClient } from "../../identity/authority/client.ts";
import { watchCaRotation } from "../../identity/bot/ca_rotation.ts";
import { silentLog } from "../../identity/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";

test("each change of the trusted CAs, and of which one signs, asks for one renewal", async () => {
  const clock = new FakeClock(new Date("2026-11-23T10:00:00Z"));
  const ending = new AbortController();
  const ssh = { sshHostCas: ["h"], sshUserCas: ["u"] };
  const bundle = (userCas: string[]): TrustBundle => ({
    cluster: "example.test",
    hostCas: ["host"],
    userCas,
    ...ssh,
  });
  let answer: TrustBundle | Error = bundle(["old"]);
  let asked = 0;
  let renewals = 0;
  const client = {
    trust: () => {
      asked++;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  } as unknown as AuthorityClient;
  const watch = watchCaRotation({
    bot: { tell: (use) => use(client) },
    reload: { request: () => ++renewals > 0 },
    renewalInterval: 20 * 60_000,
    clock,
    log: silentLog,
    signal: ending.signal,
    random: () => 1,
  });
  const seen: number[] = [];
  const rounds = [
    bundle(["old"]),
    bundle(["old", "new"]),
    bundle(["old", "new"]),
    new Error("away"),
    bundle(["new", "old"]),
    bundle(["new"]),
    bundle(["new"]),
  ];
  for (const round of rounds) {
    answer = round;
    assert.equal(await clock.step(1), 5 * 60_000);
    await clock.asleep(1);
    seen.push(renewals);
  }
  assert.deepEqual(seen, [0, 1, 1, 1, 2, 3, 3]);
  assert.equal(asked, 1 + rounds.length);
  ending.abort();
  await watch;
});
