import assert from "node:assert/strict";
import { RefusedJoins } from "../../identity/authority/refused_joins.ts";
import { generateKeyPair, IdentityError, sourceOf } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { realAuthority, TTL } from "../support/real_authority.ts";

test("an address that guesses tokens is not listened to for a while, and nothing is recorded", async (context) => {
  const clock = new ManualClock();
  const authority = await realAuthority(context, { clock });
  await authority.addBot("robot");
  const join = async (token: string) => {
    const { publicKey } = generateKeyPair();
    await authority.connect().join({ method: "token", token, publicKey, ttl: TTL });
  };
  const codes: string[] = [];
  const guess = () =>
    join("0".repeat(32)).catch((error: IdentityError) => void codes.push(error.code));
  for (let i = 0; i < 25; i++) await guess();
  assert.deepEqual([...new Set(codes.slice(0, 20))], ["JOIN_REFUSED"]);
  assert.deepEqual([...new Set(codes.slice(20))], ["RATE_LIMITED"]);
  const refusals = (await authority.auditTypes()).filter((type) => type === "bot.join TJ001E");
  assert.equal(refusals.length, 20);
  const good = await authority.addToken("robot");
  await assert.rejects(join(good), /refused within a minute/);
  clock.advance(60_000);
  await join(good);
});

test("joins that succeed do not count, and one address does not speak for another", async () => {
  const clock = new ManualClock();
  const joins = new RefusedJoins(clock);
  for (let i = 0; i < 50; i++) await joins.guard("192.0.2.1", () => Promise.resolve());
  const refuse = () => Promise.reject(new IdentityError("JOIN_REFUSED", "no"));
  const break_ = () => Promise.reject(new IdentityError("UNAVAILABLE", "away"));
  for (let i = 0; i < 50; i++) await assert.rejects(joins.guard("192.0.2.1", break_), /away/);
  for (let i = 0; i < 20; i++) await assert.rejects(joins.guard("2001:db8::1", refuse), /no/);
  await assert.rejects(joins.guard("2001:db8::2", refuse), /within a minute/);
  await joins.guard("2001:db8:0:1::1", () => Promise.resolve());
  await joins.guard("192.0.2.1", () => Promise.resolve());
});

test("an address of IPv6 stands for its /64", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::1", "0:0:0:0"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:0db8:0:1:2:3:4:5", "2001:db8:0:1"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["unknown", "unknown"],
  ];
  for (const [remote, source] of cases) assert.equal(sourceOf(remote), source, remote);
});
