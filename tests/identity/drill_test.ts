import assert from "node:assert/strict";
import { drill, parseBotConfig } from "../../identity/bot/mod.ts";
import type { DrillOptions } from "../../identity/bot/mod.ts";
import { connectAuthority, IdentityError, systemClock } from "../../identity/mod.ts";
import { FakeAuthority } from "../support/fake_authority.ts";
import { test } from "../support/harness.ts";
import { realAuthority } from "../support/real_authority.ts";

const config = (proxyServer: string, pin?: string) =>
  parseBotConfig("version: v2\nstorage: {type: memory}\n", "drill", {
    proxyServer,
    ...(pin === undefined ? { insecure: true } : { caPins: [pin] }),
  }).config;

test("a drill on a real authority finds that theft, outage and rollback are noticed", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("drill");
  const { proxy, pin } = authority;
  const found = await drill({
    config: config(proxy, pin),
    tokens: [await authority.addToken("drill"), await authority.addToken("drill")],
    connect: connectAuthority,
    clock: systemClock,
    signal: context.signal,
  });
  assert.deepEqual(found.map(({ code, what }) => [what, code]), [
    ["outage", "API_UNREACHABLE"],
    ["theft", "LOCKED"],
    ["rollback", "LOCKED"],
  ]);
  assert.ok(found.every(({ noticed, settled }) => noticed > 0 && settled > 0));
  const locks = await authority.cluster.store.list("lock");
  assert.equal(locks.length, 2);
});

test("a cluster that locks nobody fails the drill", async (context) => {
  const authority = await FakeAuthority.start(systemClock);
  for (const token of ["a", "b"]) authority.addToken(token);
  let spare = 0;
  const connect: DrillOptions["connect"] = (options) => {
    const client = authority.connect(options);
    if (options.proxy.endsWith(":9")) {
      const away = () => Promise.reject(new IdentityError("API_UNREACHABLE", "away"));
      return { ...client, renew: away };
    }
    return {
      ...client,
      renew: (request) =>
        client.renew(request).catch(() => {
          authority.addToken(`spare-${++spare}`);
          return client.join({ method: "token", token: `spare-${spare}`, ...request });
        }),
    };
  };
  const found = await drill({
    config: config("demo.test:443"),
    tokens: ["a", "b"],
    connect,
    clock: systemClock,
    signal: context.signal,
  });
  assert.deepEqual(found.map(({ code }) => code), ["API_UNREACHABLE", undefined, undefined]);
});
