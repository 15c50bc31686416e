// tbot's side of joining by a bound keypair, against a real authority: whatever is lost at whatever
// moment, the next start needs no hand.
import assert from "node:assert/strict";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { openBotIdentity } from "../../identity/bot/bot_identity.ts";
import { parseBotConfig } from "../../identity/bot/mod.ts";
import type { ConfigOverrides } from "../../identity/bot/mod.ts";
import { type Destination, openDestination } from "../../identity/destination/mod.ts";
import { createBoundKey } from "../../identity/join/mod.ts";
import {
  type AuthorityClient,
  type Clock,
  connectAuthority,
  IdentityError,
  silentLog,
  systemClock,
} from "../../identity/mod.ts";
import { toAuthorizedKey } from "../../identity/ssh/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { realAuthority } from "../support/real_authority.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** The moment at which the process dies: before or after a step, counted from 0. */
interface Death {
  readonly step: number;
  readonly when: "before" | "after";
}

class Died extends Error {}

async function setUp(context: TestContext) {
  let offset = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + offset) };
  const authority = await realAuthority(context, { clock });
  await authority.addBot("robot");
  const admin = createAdmin(authority.cluster, {
    listTools: () => Promise.reject(new Error("not asked")),
    openSessions: () => [],
  });
  const get = async (token: string, secrets: boolean) =>
    (await admin.getResources({ refs: [{ kind: "token", name: token }], secrets }))[0] as Json;
  return {
    authority,
    clock,
    later: (ms: number) => void (offset += ms),
    write: (name: string, bound_keypair: object) =>
      admin.createResources({
        text: JSON.stringify({
          kind: "token",
          version: "v2",
          metadata: { name },
          spec: { roles: ["Bot"], join_method: "bound_keypair", bot_name: "robot", bound_keypair },
        }),
        file: "t.yaml",
        force: true,
      }),
    secret: async (token: string): Promise<string> =>
      (await get(token, true)).status.bound_keypair.registration_secret,
    status: async (token: string): Promise<Json> => (await get(token, false)).status.bound_keypair,
    locks: async () => await authority.cluster.store.list("lock"),
    /** One run of tbot on a storage; how many steps it took. */
    async run(
      storage: Destination,
      token: string,
      { clock: own = clock, death, more = "", overrides = {} }: {
        /** The machine's, where it is not the authority's. */
        readonly clock?: Clock;
        readonly death?: Death;
        readonly more?: string;
        readonly overrides?: ConfigOverrides;
      } = {},
    ): Promise<number> {
      const text =
        `version: v2\nproxy_server: ${authority.proxy}\nonboarding:\n  token: ${token}\n` +
        `  join_method: bound_keypair\n  ca_pins: ["${authority.pin}"]\n${more}`;
      const { config } = parseBotConfig(text, "tbot.yaml", overrides);
      let steps = 0;
      let dead = false;
      const step = async <T>(work: () => Promise<T>): Promise<T> => {
        const at = steps++;
        if (dead || (death?.step === at && death.when === "before")) {
          dead = true;
          throw new Died();
        }
        const outcome = await Promise.allSettled([work()]);
        if (death?.step === at) {
          dead = true;
          throw new Died();
        }
        const [done] = outcome;
        if (done.status === "rejected") throw done.reason;
        return done.value;
      };
      const mortal: Destination = {
        ...storage,
        write: (file, content) => step(() => storage.write(file, content)),
        remove: (file) => step(() => storage.remove(file)),
      };
      const identity = await openBotIdentity({
        config,
        storage: mortal,
        connect: (options): AuthorityClient => {
          const client = connectAuthority(options);
          return {
            ...client,
            challenge: (request) => step(() => client.challenge(request)),
            join: (request) => step(() => client.join(request)),
          };
        },
        clock: own,
        log: silentLog,
        signal: context.signal,
      });
      await identity.renew();
      return steps;
    },
  };
}

type World = Awaited<ReturnType<typeof setUp>>;

function memory(): Destination {
  return openDestination({ type: "memory" }, silentLog);
}

/** Joined by the secret, with so many recoveries in all. */
async function registered(world: World, token: string, limit: number): Promise<Destination> {
  await world.write(token, { recovery: { limit } });
  const storage = memory();
  await world.run(storage, token, { more: secretLine(await world.secret(token)) });
  return storage;
}

function secretLine(secret: string): string {
  return `  bound_keypair: {registration_secret: ${secret}}\n`;
}

interface Way {
  readonly does: string;
  /** A storage and what the next run is configured with. */
  prepare(world: World, token: string): Promise<{ storage: Destination; more?: string }>;
  readonly after: { readonly recoveries: number; readonly rotated: boolean };
}

const WAYS: readonly Way[] = [
  {
    does: "registers",
    async prepare(world, token) {
      await world.write(token, { recovery: { limit: 1 } });
      return { storage: memory(), more: secretLine(await world.secret(token)) };
    },
    after: { recoveries: 1, rotated: false },
  },
  {
    does: "goes on",
    prepare: async (world, token) => ({ storage: await registered(world, token, 1) }),
    after: { recoveries: 1, rotated: false },
  },
  {
    does: "recovers",
    async prepare(world, token) {
      const storage = await registered(world, token, 2);
      await storage.remove("identity");
      return { storage };
    },
    after: { recoveries: 2, rotated: false },
  },
  {
    does: "rotates its key",
    async prepare(world, token) {
      const storage = await registered(world, token, 1);
      world.later(5);
      const rotate_after = world.clock.now().toISOString();
      world.later(5);
      await world.write(token, { recovery: { limit: 1 }, rotate_after });
      return { storage };
    },
    after: { recoveries: 1, rotated: true },
  },
];

for (const { after, does, prepare } of WAYS) {
  test(`tbot that dies at any moment while it ${does} goes on by itself`, async (context) => {
    const world = await setUp(context);
    const one = async (token: string, death?: Death) => {
      const { storage, ...rest } = await prepare(world, token);
      if (death === undefined) return await world.run(storage, token, rest);
      await assert.rejects(world.run(storage, token, { ...rest, death }), Died);
      await world.run(storage, token, rest);
      const status = await world.status(token);
      const what = `${does}: ${death.when} step ${death.step}`;
      assert.equal(status.recovery_count, after.recoveries, what);
      assert.equal(status.last_rotated_at !== undefined, after.rotated, what);
      const key = await storage.read("bound_key");
      assert.ok(key && !await storage.read("bound_key.next"), what);
      assert.equal(await storage.read("key.next"), undefined, what);
      // And it is whole: it goes on once more.
      await world.run(storage, token);
      assert.deepEqual(await world.status(token), status, what);
      return 0;
    };
    const steps = await one("clean");
    assert.ok(steps >= 5, `${steps} steps`);
    for (let step = 0; step < steps; step++) {
      for (const when of ["before", "after"] as const) {
        await one(`${when}-${step}`, { step, when });
      }
    }
    assert.deepEqual(await world.locks(), [], "nobody takes a lost answer for a theft");
  });
}

test("a rotation that is called off leaves the key that is bound", async (context) => {
  const world = await setUp(context);
  const storage = await registered(world, "t", 1);
  const before = await storage.read("bound_key");
  await world.write("t", { rotate_after: new Date(Date.now() + 1).toISOString() });
  world.later(5);
  // It dies with the next key in its storage, before it has sent it.
  await assert.rejects(world.run(storage, "t", { death: { step: 4, when: "before" } }), Died);
  assert.ok(await storage.read("bound_key.next"));
  await world.write("t", {});
  await world.run(storage, "t");
  assert.equal(await storage.read("bound_key"), before);
  assert.equal(await storage.read("bound_key.next"), undefined);
  await world.run(storage, "t");
});

test("whether a certificate has run out is for the authority to say", async (context) => {
  const world = await setUp(context);
  const hours = 3_600_000;
  const machineAt = (ahead: number) => ({
    ...systemClock,
    now: () => new Date(Date.now() + ahead * hours),
  });
  // The machine's clock is ahead: that uses up no recovery.
  const storage = await registered(world, "t", 1);
  await world.run(storage, "t", { clock: machineAt(5) });
  assert.equal((await world.status("t")).recovery_count, 1);
  // It is behind, and takes its certificate for a good one: it recovers all the same.
  world.later(-2 * hours);
  const old = await registered(world, "u", 2);
  world.later(2 * hours);
  await world.run(old, "u", { clock: machineAt(-2) });
  assert.equal((await world.status("u")).recovery_count, 2);
});

test("tbot sends no secret once it has joined, and needs its file no longer", async (context) => {
  const world = await setUp(context);
  await world.write("t", {});
  const storage = memory();
  const file = `  bound_keypair: {registration_secret_path: /nonexistent/secret}\n`;
  await assert.rejects(world.run(storage, "t", { more: file }), {
    code: "CONFIG_INVALID",
    message: /Cannot read the registration secret from \/nonexistent\/secret: ENOENT/,
  });
  const overrides = { registrationSecret: { text: await world.secret("t"), from: "a test" } };
  await world.run(storage, "t", { overrides });
  await world.run(storage, "t", { more: file });
});

test("a static key joins from an empty storage each time, in insecure mode alone", async (context) => {
  const world = await setUp(context);
  const key = createBoundKey();
  const onboarding = { initial_public_key: toAuthorizedKey(key.publicKey) };
  await world.write("t", { onboarding, recovery: { mode: "insecure" } });
  const encoded = btoa(key.privateKey);
  for (const text of [key.privateKey, encoded]) {
    const storage = memory();
    await world.run(storage, "t", { overrides: { staticKey: { text, from: "TEST" } } });
    assert.equal(await storage.read("bound_key"), undefined, "it is nobody's to store");
  }
  const run = (storage: Destination) =>
    world.run(storage, "t", { overrides: { staticKey: { text: encoded, from: "TEST" } } });
  await world.write("t", { onboarding, recovery: { limit: 9 } });
  await assert.rejects(run(memory()), { code: "JOIN_REFUSED", message: /shows no join state/ });

  // Where the storage lasts it is as good as any key, until it should be replaced.
  await world.write("t", { onboarding, recovery: { mode: "insecure" } });
  const storage = memory();
  await run(storage);
  await world.write("t", { onboarding });
  await run(storage);
  await world.write("t", { onboarding, rotate_after: "2020-01-01T00:00:00Z" });
  await assert.rejects(run(storage), {
    code: "JOIN_ROTATION_REQUIRED",
    message: /has to be replaced now, and a static key cannot be/,
  });
});

test("a key that cannot be read is told by its place, and never shown", async (context) => {
  const world = await setUp(context);
  await world.write("t", {});
  const storage = memory();
  await storage.write("bound_key", "-----BEGIN PRIVATE KEY-----\nnonsense\n");
  await assert.rejects(world.run(storage, "t"), (error: unknown) => {
    assert.ok(error instanceof IdentityError);
    assert.match(error.message, /bound_key/);
    assert.ok(!`${error.stack}${error.cause}`.includes("nonsense"));
    return true;
  });
});

test("another token is joined with the same key, and without the old one's state", async (context) => {
  const world = await setUp(context);
  const storage = await registered(world, "one", 1);
  await world.write("two", {});
  await world.run(storage, "two", { more: secretLine(await world.secret("two")) });
  const [one, two] = [await world.status("one"), await world.status("two")];
  assert.equal(one.bound_public_key, two.bound_public_key);
});
