// Two authorities on one PostgreSQL, each with a data directory and a port of its own, are one
// cluster: what one of them has done is done for the other.
import assert from "node:assert/strict";
import { verifyRecords } from "../../identity/audit/mod.ts";
import { headsIn } from "../../identity/audit/store_shipper.ts";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { offerPresetRoles } from "../../identity/authority/mod.ts";
import { signingKey } from "../../identity/authority/jwt_keys.ts";
import { generateKeyPair, IdentityError } from "../../identity/mod.ts";
import { readCertificate } from "../../identity/x509/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";
import { NO_POSTGRES, sharedPostgres } from "../support/postgres_server.ts";
import { realAuthority, TTL } from "../support/real_authority.ts";
import type { RealAuthority } from "../support/real_authority.ts";

const onPostgres = { skip: NO_POSTGRES };

async function twoAuthorities(
  context: TestContext,
  clock?: FakeClock,
): Promise<[RealAuthority, RealAuthority]> {
  const database = await (await sharedPostgres()).newDatabase();
  const options = { database, ...(clock && { clock }) };
  return await Promise.all([realAuthority(context, options), realAuthority(context, options)]);
}

/** Waits until an authority has been told of something. */
async function until({ cluster: { view } }: RealAuthority, done: () => boolean): Promise<void> {
  const told = Promise.withResolvers<void>();
  const stop = view.subscribe(() => done() && told.resolve());
  if (done()) told.resolve();
  await told.promise;
  stop();
}

const role = (tools: string) =>
  `kind: role
version: v6
metadata:
  name: dev
spec:
  allow:
    app_labels: {env: dev}
    mcp:
      tools: ['${tools}']
`;

const outcome = (work: Promise<unknown>) =>
  work.then(() => "done", (error: unknown) => error instanceof IdentityError ? error.code : error);

test(
  "two authorities that begin a cluster at once have the same keys and preset roles",
  async (context) => {
    const [a, b] = await twoAuthorities(context);
    assert.deepEqual(a.cluster.keys, b.cluster.keys);
    await Promise.all([offerPresetRoles(a.cluster), offerPresetRoles(b.cluster)]);
    const events = await a.auditTypes();
    const roles = await b.cluster.store.list("role");
    assert.ok(roles.length > 0);
    // Each was made by one of them.
    const made = events.filter((type) => type.startsWith("role.created"));
    assert.equal(made.length, roles.length, `${events}`);
  },
  onPostgres,
);

test(
  "a bot joins at one authority and renews at the other, and its copy is caught by either",
  async (context) => {
    const [a, b] = await twoAuthorities(context);
    await a.addBot("robot");
    await until(b, () => b.cluster.view.standing("robot", "").kind === "live");
    const joined = await a.join("robot");
    const next = generateKeyPair();
    const renewed = await b.connect(joined).renew({ publicKey: next.publicKey, ttl: TTL });
    const { claims } = readCertificate(renewed.tls);
    assert.ok(claims.kind === "bot");
    assert.equal(claims.generation, 2);
    // The copy has the certificate of before, and asks where the machine has joined.
    const copied = a.connect(joined).renew({ publicKey: generateKeyPair().publicKey, ttl: TTL });
    assert.equal(await outcome(copied), "LOCKED");
    await until(b, () => b.cluster.view.standing("robot", claims.instance).kind === "locked");
    const machine = b.connect({ certificate: renewed.tls, key: next.privateKey });
    const again = machine.renew({ publicKey: generateKeyPair().publicKey, ttl: TTL });
    assert.equal(await outcome(again), "LOCKED");
  },
  onPostgres,
);

test(
  "of renewals with different keys at both authorities at once, one is made",
  async (context) => {
    const [a, b] = await twoAuthorities(context);
    await a.addBot("robot");
    await until(b, () => b.cluster.view.standing("robot", "").kind === "live");
    for (let round = 0; round < 5; round++) {
      const bot = await a.join("robot");
      const renewals = await Promise.all(
        [a, b].map((authority) =>
          outcome(
            authority.connect(bot).renew({ publicKey: generateKeyPair().publicKey, ttl: TTL }),
          )
        ),
      );
      assert.deepEqual(renewals.sort(), ["LOCKED", "done"]);
    }
  },
  onPostgres,
);

test(
  "a token lets one machine join, however many ask at both authorities at once",
  async (context) => {
    const [a, b] = await twoAuthorities(context);
    await a.addBot("robot");
    await until(b, () => b.cluster.view.standing("robot", "").kind === "live");
    for (let round = 0; round < 5; round++) {
      const token = await a.addToken("robot");
      const joins = await Promise.all([a, b, a, b].map((authority) => {
        const { publicKey } = generateKeyPair();
        return outcome(authority.connect().join({ method: "token", token, publicKey, ttl: TTL }));
      }));
      assert.deepEqual(joins.sort(), [
        "JOIN_TOKEN_USED",
        "JOIN_TOKEN_USED",
        "JOIN_TOKEN_USED",
        "done",
      ]);
    }
  },
  onPostgres,
);

test(
  "a role, a bot and a lock are in force at the other authority, and gone when they are removed",
  async (context) => {
    const [a, b] = await twoAuthorities(context);
    const { view } = b.cluster;
    await a.addRole("dev", role("read_*"));
    await until(b, () => view.role("dev") !== undefined);
    const before = view.role("dev");
    await a.addRole("dev", role("write_*"));
    await until(b, () => view.role("dev") !== before);
    await a.addBot("robot", ["dev"]);
    const admin = createAdmin(a.cluster);
    await admin.addLock({ bot: "robot", message: "stolen" });
    await until(b, () => view.standing("robot", "").kind === "locked");
    const [lock] = await a.cluster.store.list("lock");
    await a.cluster.store.update((tx) => tx.delete("lock", lock!.name));
    await until(b, () => view.standing("robot", "").kind === "live");
    await a.cluster.store.update((tx) => tx.delete("bot", "robot"));
    await until(b, () => view.standing("robot", "").kind === "gone");
  },
  onPostgres,
);

test("each authority has an audit chain of its own, and both are whole", async (context) => {
  const [a, b] = await twoAuthorities(context);
  await Promise.all(
    [a, b].flatMap(({ cluster }) =>
      Array.from(
        { length: 20 },
        () => cluster.audit.append({ type: "store.backup", code: "PST01I", name: "x" } as never),
      )
    ),
  );
  await Promise.all([a, b].map(({ cluster }) => cluster.audit.flush()));
  const records = await a.cluster.store.latestRecords(1000);
  assert.deepEqual(records.map(({ seq }) => seq), records.map((_, index) => index + 1));
  const heads = [...(await headsIn(b.cluster.store)).values()];
  const { publicKey } = b.cluster.keys.audit;
  const report = await verifyRecords(records.map(({ text }) => text), { heads, publicKey });
  assert.equal(report.chains.length, 2);
  assert.deepEqual(report.breaks, []);
  assert.deepEqual(report.chains.map(({ last, signedTo }) => signedTo === last), [true, true]);
}, onPostgres);

test(
  "the key for tokens is replaced once, however many authorities find it due",
  async (context) => {
    const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
    const [a, b] = await twoAuthorities(context, clock);
    const first = await signingKey(a.cluster);
    clock.advance(31 * 24 * 3_600_000);
    await Promise.all([a, b, a, b].map(({ cluster }) => signingKey(cluster)));
    const { keys } =
      (await a.cluster.store.get<{ keys: { publicKey: string }[] }>("ca", "jwt"))!.value;
    assert.equal(keys.length, 2);
    assert.equal(keys[0]!.publicKey, first.publicKey);
  },
  onPostgres,
);
