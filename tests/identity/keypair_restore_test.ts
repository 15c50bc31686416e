// A cluster that goes back in time: whoever joined by a bound keypair meanwhile goes on by itself.
import assert from "node:assert/strict";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { createBoundKey } from "../../identity/join/mod.ts";
import { IdentityError } from "../../identity/mod.ts";
import type { Item, ItemKind } from "../../identity/storage/mod.ts";
import { toAuthorizedKey } from "../../identity/ssh/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { expired, joinAs, type JoinedMachine, machine } from "../support/keypair_machine.ts";
import { realAuthority } from "../support/real_authority.ts";

const TOKEN = "robot-1";
const KINDS: readonly ItemKind[] = ["method_token", "bound_keypair", "instance"];

// deno-lint-ignore no-explicit-any
type Json = any;

async function setUp(context: TestContext, section: object) {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const { store } = authority.cluster;
  const admin = createAdmin(authority.cluster, {
    listTools: () => Promise.reject(new Error("not asked")),
    openSessions: () => [],
  });
  const write = (bound_keypair: object) =>
    admin.createResources({
      text: JSON.stringify({
        kind: "token",
        version: "v2",
        metadata: { name: TOKEN },
        spec: { roles: ["Bot"], join_method: "bound_keypair", bot_name: "robot", bound_keypair },
      }),
      file: "t.yaml",
      force: true,
    });
  await write(section);
  const get = async (): Promise<Json> =>
    (await admin.getResources({ refs: [{ kind: "token", name: TOKEN }], secrets: true }))[0];
  const world = {
    authority,
    write,
    status: async (): Promise<Json> => (await get()).status.bound_keypair,
    secret: async (): Promise<string> => (await get()).status.bound_keypair.registration_secret,
    registered: async () =>
      await joinAs(authority, machine(TOKEN, { secret: await world.secret() })),
    locks: () => store.list("lock"),
    /** What a backup of now would bring back; `epoch` names the restore. */
    async backUp(): Promise<(epoch: string) => Promise<void>> {
      const items: Item[] = [];
      for (const kind of KINDS) items.push(...await store.list(kind));
      return (epoch) =>
        store.update(async (tx) => {
          for (const kind of KINDS) {
            for (const { name } of await tx.list(kind)) await tx.delete(kind, name);
          }
          for (const { kind, name, value } of items) await tx.put(kind, name, value);
          await tx.put("settings", "restored", { epoch });
        });
    },
  };
  return world;
}

const refused = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof IdentityError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  return true;
};

for (const what of ["a certificate", "its key and join state alone"]) {
  test(`a machine with ${what} goes on after the store went back`, async (context) => {
    const world = await setUp(context, { recovery: { limit: 3 } });
    const first = await world.registered();
    const restore = await world.backUp();
    let now: JoinedMachine = await joinAs(world.authority, expired(first));
    now = await joinAs(world.authority, now);
    await restore("second");
    const back = await joinAs(world.authority, what === "a certificate" ? now : expired(now));
    assert.equal(
      back.claims.instance === now.claims.instance,
      what === "a certificate",
      "whom the store has forgotten it knows again by the certificate",
    );
    // What was used is not given back.
    assert.equal((await world.status()).recovery_count, what === "a certificate" ? 2 : 3);
    await joinAs(world.authority, back);
    assert.deepEqual(await world.locks(), []);

    // The same storage once more, in the same epoch: it is a copy.
    await assert.rejects(
      joinAs(world.authority, expired(now)),
      refused("LOCKED", /its join state is 3, and 5 was given/),
    );
  });
}

test("a join state is taken at its word once after each restore", async (context) => {
  const world = await setUp(context, { recovery: { mode: "relaxed" } });
  const first = await world.registered();
  const restore = await world.backUp();
  let ahead = first;
  for (let joins = 0; joins < 4; joins++) ahead = await joinAs(world.authority, ahead);
  // Before the restore the copy was the one that came first; after it, it is not.
  const copy = await joinAs(world.authority, ahead);
  await restore("second");
  await joinAs(world.authority, ahead);
  await assert.rejects(
    joinAs(world.authority, expired(copy)),
    refused("LOCKED", /its join state is 6, and 6 was given/),
  );
});

test("a machine that registered after the backup needs no secret again", async (context) => {
  const world = await setUp(context, {});
  const restore = await world.backUp();
  const secret = await world.secret();
  const joined = await world.registered();
  await restore("second");
  const back = await joinAs(world.authority, joined);
  assert.equal(back.claims.instance, joined.claims.instance);
  assert.equal(
    (await world.status()).bound_public_key,
    toAuthorizedKey(joined.boundKey.publicKey),
  );
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN, { secret })),
    refused("JOIN_REFUSED", /not the one that is bound/),
  );
});

test("a secret of before a restore is void, until there is another", async (context) => {
  const world = await setUp(context, {});
  const secret = await world.secret();
  const restore = await world.backUp();
  await restore("second");
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN, { secret })),
    refused("JOIN_REFUSED", /void since the store was restored/),
  );
  // Writing the token again makes one.
  await world.write({});
  assert.notEqual(await world.secret(), secret);
  await world.registered();
});

test("a key that was rotated after the backup is bound again", async (context) => {
  const world = await setUp(context, { recovery: { mode: "relaxed" } });
  const first = await world.registered();
  const restore = await world.backUp();
  const rotate_after = new Date(Date.now() + 1).toISOString();
  await world.write({ recovery: { mode: "relaxed" }, rotate_after });
  while (Date.now() <= Date.parse(rotate_after));
  const rotated = await joinAs(world.authority, { ...first, nextKey: createBoundKey() });
  assert.notEqual(rotated.boundKey.publicKey, first.boundKey.publicKey);
  await restore("second");
  const back = await joinAs(world.authority, rotated);
  assert.equal(back.boundKey.publicKey, rotated.boundKey.publicKey);
  // The old key with the newest join state was never one machine's.
  await assert.rejects(
    joinAs(world.authority, expired({ ...back, boundKey: first.boundKey })),
    refused("JOIN_TOKEN_USED", /somebody has registered with this secret already/),
  );
});
