// Joining by a bound keypair: a real authority, the real client, and machines that can be copied.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { type Admin, createAdmin } from "../../identity/authority/admin/mod.ts";
import { createBoundKey, signProof } from "../../identity/join/mod.ts";
import { generateKeyPair, IdentityError, systemClock } from "../../identity/mod.ts";
import { toAuthorizedKey } from "../../identity/ssh/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import {
  expired,
  joinAs,
  type JoinedMachine,
  type Machine,
  machine,
  requestOf,
} from "../support/keypair_machine.ts";
import { type RealAuthority, realAuthority, TTL } from "../support/real_authority.ts";

const TOKEN = "robot-1";
const MINUTE = 60_000;
/** TLS goes by the machine's own clock: a certificate of a minute ahead is none to it. */
const MOMENT = 5_000;

// deno-lint-ignore no-explicit-any
type Json = any;

interface World {
  readonly authority: RealAuthority;
  readonly admin: Admin;
  /** Moves the authority's clock. */
  later(ms: number): void;
  now(): Date;
  /** Writes the token; JSON is YAML. */
  write(section: object, spec?: object): Promise<void>;
  status(secrets?: boolean): Promise<Json>;
  spec(): Promise<Json>;
  secret(): Promise<string>;
  events(type: string): Promise<Json[]>;
}

async function setUp(context: TestContext, section?: object): Promise<World> {
  let offset = 0;
  const now = () => new Date(Date.now() + offset);
  const authority = await realAuthority(context, { clock: { ...systemClock, now } });
  await authority.addBot("robot");
  const admin = createAdmin(authority.cluster, {
    listTools: () => Promise.reject(new Error("not asked")),
    openSessions: () => [],
  });
  const get = async (secrets: boolean) =>
    (await admin.getResources({ refs: [{ kind: "token", name: TOKEN }], secrets }))[0] as Json;
  const world: World = {
    authority,
    admin,
    now,
    later: (ms) => void (offset += ms),
    write: async (section, spec) => {
      const text = JSON.stringify({
        kind: "token",
        version: "v2",
        metadata: { name: TOKEN },
        spec: {
          roles: ["Bot"],
          join_method: "bound_keypair",
          bot_name: "robot",
          bound_keypair: section,
          ...spec,
        },
      });
      await admin.createResources({ text, file: "t.yaml", force: true });
    },
    status: async (secrets = false) => (await get(secrets)).status.bound_keypair,
    spec: async () => (await get(false)).spec,
    secret: async () => (await get(true)).status.bound_keypair.registration_secret,
    events: async (type) =>
      (await authority.cluster.store.latestEvents(1000)).map(({ event }) => event as Json)
        .filter((event) => event.type === type),
  };
  if (section) await world.write(section);
  return world;
}

const refused = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof IdentityError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  return true;
};

const relaxed = { recovery: { mode: "relaxed" } };

/** A machine that has joined by the token's secret. */
async function registered(world: World): Promise<JoinedMachine> {
  return await joinAs(world.authority, machine(TOKEN, { secret: await world.secret() }));
}

test("a machine registers by the secret, and goes on as the same instance by its key alone", async (context) => {
  const world = await setUp(context, {});
  const secret = await world.secret();
  assert.match(secret, /^[0-9a-f]{32}$/);
  assert.equal(
    (await world.status()).registration_secret,
    undefined,
    "it is shown on request only",
  );

  const first = await registered(world);
  assert.deepEqual([first.claims.bot, first.claims.generation], ["robot", 1]);
  assert.equal(first.recoveriesLeft, 0);
  const { secret: _, ...rest } = first;
  const again = await joinAs(world.authority, rest);
  assert.equal(again.claims.instance, first.claims.instance);
  assert.equal(again.claims.generation, 2);

  const status = await world.status(true);
  assert.equal(status.registration_secret, undefined, "a spent secret is not kept");
  assert.equal(status.bound_public_key, toAuthorizedKey(first.boundKey.publicKey));
  assert.equal(status.bound_bot_instance_id, first.claims.instance);
  assert.equal(status.recovery_count, 1, "the first join counts, and going on does not");
  // It does not renew: a stolen certificate ends by itself.
  const { publicKey } = generateKeyPair();
  await assert.rejects(
    world.authority.connect(again.credentials).renew({ publicKey, ttl: TTL }),
    refused("ACCESS_DENIED", /joined by bound_keypair, and does not renew/),
  );
  const joins = await world.events("bot.join");
  assert.deepEqual(joins.map(({ code, method, token_name }) => [code, method, token_name]), [
    ["TJ001I", "bound_keypair", TOKEN],
    ["TJ001I", "bound_keypair", TOKEN],
  ]);
  assert.equal(joins[1].attributes.sequence, 2);
  assert.ok(
    !JSON.stringify(await world.authority.cluster.store.latestEvents(1000)).includes(secret),
  );
  const [summary] = await world.admin.listInstances({});
  assert.deepEqual([summary?.method, summary?.token], ["bound_keypair", TOKEN]);
});

for (
  const { kind, key } of [
    { kind: "Ed25519", key: createBoundKey() },
    { kind: "ECDSA P-256", key: generateKeyPair() },
  ]
) {
  test(`a key that was registered beforehand joins without a secret: ${kind}`, async (context) => {
    const initial_public_key = `${toAuthorizedKey(key.publicKey)} robot@host`;
    const world = await setUp(context, { onboarding: { initial_public_key } });
    assert.equal(await world.secret(), undefined, "no secret is made where none is needed");
    await assert.rejects(
      joinAs(world.authority, machine(TOKEN)),
      refused("JOIN_REFUSED", /not the one that is registered with the token/),
    );
    const joined = await joinAs(world.authority, machine(TOKEN, { boundKey: key }));
    assert.equal(joined.claims.generation, 1);
  });
}

test("a registration needs the right secret, and needs it in time", async (context) => {
  const world = await setUp(context);
  const must_register_before = new Date(Date.now() + 10 * MINUTE).toISOString();
  await world.write({ onboarding: { must_register_before } });
  const secret = await world.secret();
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN)),
    refused("JOIN_REFUSED", /it shows no registration secret/),
  );
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN, { secret: `${secret}0` })),
    refused("JOIN_REFUSED", /not the registration secret/),
  );
  world.later(11 * MINUTE);
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN, { secret })),
    refused("JOIN_TOKEN_EXPIRED", /to be registered before/),
  );
  // More time: the secret is the same.
  await world.write({
    onboarding: { must_register_before: new Date(Date.now() + 60 * MINUTE).toISOString() },
  });
  assert.equal(await world.secret(), secret);
  const joined = await joinAs(world.authority, machine(TOKEN, { secret }));
  // It holds nobody up who has registered.
  world.later(120 * MINUTE);
  await world.write({ ...relaxed, onboarding: { must_register_before } });
  await joinAs(world.authority, expired(joined));
});

test("a secret that the administrator chose is in no document without being asked for", async (context) => {
  const world = await setUp(context);
  const registration_secret = "correct-horse-battery";
  await world.write({ onboarding: { registration_secret } });
  assert.ok(!JSON.stringify(await world.spec()).includes(registration_secret));
  assert.equal(await world.secret(), registration_secret);
  // What `tctl edit` writes back has no secret, and keeps the one that is there.
  await world.write((await world.spec()).bound_keypair);
  assert.equal(await world.secret(), registration_secret);
  await registered(world);
});

test("the secret is good for one machine", async (context) => {
  const world = await setUp(context, relaxed);
  const secret = await world.secret();
  await registered(world);
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN, { secret })),
    refused("JOIN_TOKEN_USED", /registered with this secret already/),
  );
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN)),
    refused("JOIN_REFUSED", /not the one that is bound to the token/),
  );
});

test("recoveries are counted, and end at the limit until it is raised", async (context) => {
  const world = await setUp(context, { recovery: { limit: 2 } });
  const first = await registered(world);
  assert.equal(first.recoveriesLeft, 1);
  const recovered = await joinAs(world.authority, expired(first));
  assert.notEqual(recovered.claims.instance, first.claims.instance, "a recovery is a new instance");
  assert.deepEqual([recovered.claims.generation, recovered.recoveriesLeft], [1, 0]);
  await assert.rejects(
    joinAs(world.authority, expired(recovered)),
    refused("JOIN_REFUSED", /the recovery limit of its token is reached: 2 of 2 are used/),
  );
  // Who still has a certificate goes on, limit or not.
  const on = await joinAs(world.authority, recovered);
  await world.write({ recovery: { limit: 3 } });
  const third = await joinAs(world.authority, expired(on));
  assert.equal((await world.status()).recovery_count, 3);
  const [resource] = await world.admin.getResources({
    refs: [{ kind: "bot_instance", name: `robot/${third.claims.instance}` }],
  }) as Json;
  assert.equal(resource.spec.previous_instance_id, recovered.claims.instance);
  assert.deepEqual(
    (await world.events("join_token.bound_keypair.recovery")).map(({ recovery_count }) =>
      recovery_count
    ),
    [1, 2, 3],
  );
});

test("a limit of 0 lets nobody join", async (context) => {
  const world = await setUp(context, { recovery: { limit: 0 } });
  await assert.rejects(registered(world), refused("JOIN_REFUSED", /0 of 0 are used/));
  assert.match(await world.secret(), /^[0-9a-f]{32}$/, "and spends nothing");
});

test("in relaxed mode there is no limit, and the join state still counts", async (context) => {
  const world = await setUp(context, { recovery: { mode: "relaxed", limit: 1 } });
  let joined = await registered(world);
  for (let count = 0; count < 3; count++) joined = await joinAs(world.authority, expired(joined));
  assert.equal((await world.status()).recovery_count, 4);
  const { state: _, ...bare } = joined;
  await assert.rejects(
    joinAs(world.authority, expired(bare)),
    refused("JOIN_REFUSED", /shows no join state/),
  );
  assert.deepEqual(await world.events("lock.created"), [], "a lost storage is no theft");
});

test("in insecure mode whoever has the key may join, with or without anything else", async (context) => {
  const world = await setUp(context, { recovery: { mode: "insecure", limit: 0 } });
  const first = await registered(world);
  const { boundKey } = first;
  const second = await joinAs(world.authority, machine(TOKEN, { boundKey }));
  assert.notEqual(second.claims.instance, first.claims.instance);
  // Each goes on as what it is.
  for (const each of [first, second]) {
    const on = await joinAs(world.authority, each);
    assert.deepEqual([on.claims.instance, on.claims.generation], [each.claims.instance, 2]);
  }
  // An old certificate of a copy says nothing: it is one more machine.
  const copy = await joinAs(world.authority, first);
  assert.notEqual(copy.claims.instance, first.claims.instance);
  assert.deepEqual(await world.events("lock.created"), []);
});

for (
  const { who, copied } of [
    { who: "that goes on", copied: (joined: JoinedMachine): Machine => joined },
    { who: "that recovers", copied: (joined: JoinedMachine): Machine => expired(joined) },
  ]
) {
  test(`a copy of a machine's storage locks its token, by a machine ${who}`, async (context) => {
    const world = await setUp(context, relaxed);
    const original = await registered(world);
    const thief = await joinAs(world.authority, copied(original));
    await assert.rejects(
      joinAs(world.authority, copied(original)),
      refused("LOCKED", /its join state is 1, and 2 was given; the join token "robot-1" is locked/),
    );
    // The thief is out at once, with the certificate that it has.
    await assert.rejects(
      world.authority.issue(thief.credentials),
      refused("LOCKED", /its keypair was used on two machines/),
    );
    for (const each of [thief, expired(thief), expired(original)]) {
      await assert.rejects(joinAs(world.authority, each), refused("LOCKED", /is locked/));
    }
    const [alarm] = await world.events(
      "join_token.bound_keypair.join_state_verification_failed",
    );
    assert.deepEqual([alarm.code, alarm.bot_name, alarm.token_name], ["PBK03W", "robot", TOKEN]);
    const [lock] = await world.events("lock.created");
    assert.deepEqual([lock.code, lock.target], ["TLK00I", { join_token: TOKEN }]);

    // The way back: the lock goes, and one join without the state sets the count right.
    await world.admin.removeResource({ kind: "lock", name: lock.name });
    await world.write({ recovery: { mode: "insecure" } });
    const back = await joinAs(world.authority, expired(original));
    await world.write(relaxed);
    await joinAs(world.authority, back);
    // Whoever has the older storage gives itself away again.
    await assert.rejects(joinAs(world.authority, expired(thief)), refused("LOCKED", /join state/));
  });
}

test("certificate and join state of two copies do not make one machine", async (context) => {
  const world = await setUp(context, relaxed);
  const first = await registered(world);
  const second = await joinAs(world.authority, first);
  await assert.rejects(
    joinAs(world.authority, { ...second, credentials: first.credentials }),
    refused("LOCKED", /its certificate is older than its join state/),
  );
});

test("an administrator locks a token, and whoever has joined by it is out", async (context) => {
  const world = await setUp(context, relaxed);
  const joined = await registered(world);
  await assert.rejects(
    world.admin.addLock({ joinToken: "no-such-token" }),
    refused("NOT_FOUND", /does not exist/),
  );
  const { name } = await world.admin.addLock({ joinToken: TOKEN, message: "stop" });
  await assert.rejects(joinAs(world.authority, joined), refused("LOCKED", /stop/));
  await assert.rejects(joinAs(world.authority, expired(joined)), refused("LOCKED", /stop/));
  const [shown] = await world.admin.getResources({ refs: [{ kind: "lock", name }] }) as Json;
  assert.deepEqual(shown.spec.target, { join_token: TOKEN });
  // As a document, it does the same.
  await world.admin.removeResource({ kind: "lock", name });
  const on = await joinAs(world.authority, joined);
  const { metadata: { name: id }, ...rest } = shown;
  const text = JSON.stringify({ ...rest, metadata: { name: id }, version: "v2" });
  await world.admin.createResources({ text, file: "lock.yaml", force: false });
  await assert.rejects(world.authority.issue(on.credentials), refused("LOCKED", /stop/));
});

test("a bot is made for a token that is there already", async (context) => {
  const world = await setUp(context);
  await world.write(relaxed, { bot_name: "later" });
  await assert.rejects(
    world.admin.addBot({ name: "other", roles: [], token: TOKEN }),
    refused("BAD_REQUEST", /it is for bot "later"/),
  );
  const bot = await world.admin.addBot({ name: "later", roles: [], token: TOKEN });
  assert.deepEqual([bot.token, bot.method, bot.ttl], [TOKEN, "bound_keypair", undefined]);
  assert.equal((await registered(world)).claims.bot, "later");
});

test("a locked bot does not join, and a removed one neither", async (context) => {
  const world = await setUp(context, relaxed);
  const joined = await registered(world);
  const { name } = await world.admin.addLock({ bot: "robot" });
  await assert.rejects(joinAs(world.authority, expired(joined)), refused("LOCKED", /Bot "robot"/));
  await world.admin.removeResource({ kind: "lock", name });
  await world.admin.removeBot({ name: "robot" });
  await assert.rejects(
    joinAs(world.authority, expired(joined)),
    refused("JOIN_REFUSED", /has no bound_keypair token/),
  );
});

// The answer to a join was lost: the same request, with a new challenge, gets the same again.
for (const way of ["registers", "goes on", "recovers", "rotates"] as const) {
  test(`a machine whose answer is lost while it ${way} gets it again`, async (context) => {
    const world = await setUp(context, { recovery: { limit: 2 } });
    const pending = generateKeyPair();
    let before: Machine;
    if (way === "registers") before = machine(TOKEN, { secret: await world.secret(), pending });
    else {
      const first = await registered(world);
      before = { ...(way === "recovers" ? expired(first) : first), pending };
    }
    if (way === "rotates") {
      world.later(MOMENT);
      const rotate_after = world.now().toISOString();
      world.later(MOMENT);
      await world.write({ recovery: { limit: 2 }, rotate_after });
      before = { ...before, nextKey: createBoundKey() };
    }
    const lost = await joinAs(world.authority, before);
    const status = await world.status();
    for (let tries = 0; tries < 3; tries++) {
      const again = await joinAs(world.authority, before);
      assert.deepEqual(again.claims, lost.claims);
      assert.deepEqual(await world.status(), status, "and nothing more is counted");
    }
    const on = await joinAs(world.authority, await joinAs(world.authority, before));
    assert.equal(on.claims.generation, lost.claims.generation + 1);
    assert.deepEqual(await world.events("lock.created"), []);
  });
}

test("a key is replaced when it is too old, and the old one is good for nothing then", async (context) => {
  const world = await setUp(context, relaxed);
  const first = await registered(world);
  world.later(MOMENT);
  const rotate_after = world.now().toISOString();
  world.later(MOMENT);
  await world.write({ ...relaxed, rotate_after });
  await assert.rejects(
    joinAs(world.authority, first),
    refused("JOIN_ROTATION_REQUIRED", /has to be replaced now/),
  );
  const nextKey = createBoundKey();
  const rotated = await joinAs(world.authority, { ...first, nextKey });
  assert.equal(rotated.boundKey.publicKey, nextKey.publicKey);
  assert.equal(rotated.claims.instance, first.claims.instance);
  const status = await world.status();
  assert.equal(status.bound_public_key, toAuthorizedKey(nextKey.publicKey));
  assert.ok(status.last_rotated_at > rotate_after);
  assert.equal((await world.events("join_token.bound_keypair.rotation")).length, 1);

  // Once is enough.
  const on = await joinAs(world.authority, rotated);
  // The key alone, without the storage, is no alarm; the storage of before is one.
  const { boundKey } = first;
  await assert.rejects(
    joinAs(world.authority, machine(TOKEN, { boundKey })),
    refused("JOIN_REFUSED", /not the one that is bound/),
  );
  await assert.rejects(
    joinAs(world.authority, expired({ ...on, boundKey, state: first.state })),
    refused("LOCKED", /its key was rotated away/),
  );
});

test("a key is not replaced unasked, nor by one whose holder has not signed", async (context) => {
  const world = await setUp(context, relaxed);
  const first = await registered(world);
  const nextKey = createBoundKey();
  const same = await joinAs(world.authority, { ...first, nextKey });
  assert.equal(same.boundKey.publicKey, first.boundKey.publicKey);
  const stranger = createBoundKey();
  await world.write({ ...relaxed, rotate_after: new Date(Date.now() + 1000).toISOString() });
  world.later(MOMENT);
  await assert.rejects(
    joinAs(world.authority, { ...same, nextKey }, (request) => ({
      ...request,
      next: { ...request.next!, boundKey: stranger.publicKey },
    })),
    refused("JOIN_REFUSED", /the proof does not hold/),
  );
  // The key of before has to vouch for the next one.
  const plain = await requestOf(world.authority, same);
  const { challenge } = plain.request;
  const proof = await signProof(stranger, {
    cluster: world.authority.cluster.name,
    token: TOKEN,
    challenge,
    publicKey: plain.request.publicKey,
    state: same.state,
  });
  await assert.rejects(
    world.authority.connect(same.credentials).join({
      ...plain.request,
      next: { boundKey: stranger.publicKey, proof },
    }),
    refused("JOIN_REFUSED", /signed for another request/),
  );
});

test("who is named as the next key has to sign as well", async (context) => {
  const world = await setUp(context, relaxed);
  const first = await registered(world);
  world.later(MOMENT);
  const rotate_after = world.now().toISOString();
  world.later(MOMENT);
  await world.write({ ...relaxed, rotate_after });
  // A key of somebody else's would shut its owner's machine out.
  await assert.rejects(
    joinAs(world.authority, { ...first, nextKey: createBoundKey() }, (request) => ({
      ...request,
      next: { ...request.next!, proof: request.proof },
    })),
    refused("JOIN_REFUSED", /not signed by that key/),
  );
});

test("a certificate that was won by one token is nobody's at another", async (context) => {
  const world = await setUp(context, { recovery: { mode: "insecure" } });
  const first = await registered(world);
  const [resource] = await world.admin.getResources({ refs: [{ kind: "token", name: TOKEN }] });
  const text = JSON.stringify({ ...resource, metadata: { name: "robot-2" } });
  await world.admin.createResources({ text, file: "t.yaml", force: true });
  const [{ status }] = await world.admin.getResources({
    refs: [{ kind: "token", name: "robot-2" }],
    secrets: true,
  }) as Json;
  const second = await joinAs(world.authority, {
    ...machine("robot-2", { secret: status.bound_keypair.registration_secret }),
    credentials: first.credentials,
  });
  assert.notEqual(second.claims.instance, first.claims.instance);
});

test("a token that is bound keeps no secret, whatever is written", async (context) => {
  const world = await setUp(context, relaxed);
  await registered(world);
  await world.write({ ...relaxed, onboarding: { registration_secret: "a-secret-for-nothing" } });
  assert.equal(await world.secret(), undefined);
});

test("another initial_public_key is bound in the place of the key of before", async (context) => {
  const [one, two] = [createBoundKey(), createBoundKey()];
  const section = (key: typeof one, limit: number) => ({
    onboarding: { initial_public_key: toAuthorizedKey(key.publicKey) },
    recovery: { limit },
  });
  const world = await setUp(context, section(one, 1));
  const first = await joinAs(world.authority, machine(TOKEN, { boundKey: one }));
  await world.write(section(two, 2));
  await assert.rejects(
    joinAs(world.authority, first),
    refused("JOIN_REFUSED", /not the one that is registered/),
  );
  const pending = generateKeyPair();
  const replaced = machine(TOKEN, { boundKey: two, pending });
  await joinAs(world.authority, replaced);
  const second = await joinAs(world.authority, replaced);
  assert.equal((await world.status()).recovery_count, 2);
  await joinAs(world.authority, second);
});

test("a token made anew under a name knows nothing of the one before", async (context) => {
  const world = await setUp(context, relaxed);
  const old = await registered(world);
  await world.admin.removeToken({ token: TOKEN });
  await assert.rejects(
    joinAs(world.authority, old),
    refused("JOIN_REFUSED", /has no bound_keypair token/),
  );
  await world.write(relaxed);
  await assert.rejects(
    joinAs(world.authority, expired(old)),
    refused("JOIN_REFUSED", /no registration secret|not the registration secret/),
  );
  const fresh = await registered(world);
  assert.equal((await world.status()).recovery_count, 1);
  await assert.rejects(joinAs(world.authority, old), refused("JOIN_REFUSED", /not the one/));
  await joinAs(world.authority, fresh);
});

const forged = (part: Partial<Record<string, unknown>>) => (request: Json) => ({
  ...request,
  ...part,
});

test("what is signed for one request is good for no other", async (context) => {
  const world = await setUp(context, relaxed);
  const joined = await registered(world);
  const { authority } = world;
  const other = (await requestOf(authority, joined)).request;
  const lies: [string, (request: Json) => Json, RegExp][] = [
    ["another challenge", forged({ challenge: other.challenge }), /for another request/],
    ["another certificate key", forged({ publicKey: generateKeyPair().publicKey }), /another/],
    ["another bound key", forged({ boundKey: createBoundKey().publicKey }), /not signed by that/],
    ["no join state", ({ state: _, ...rest }) => rest, /for another request/],
    ["a proof of another", forged({ proof: other.proof }), /for another request/],
    ["a cut proof", ({ proof, ...rest }) => ({ ...rest, proof: proof.slice(0, -4) }), /not signed/],
    ["no challenge of ours", forged({ challenge: other.proof }), /challenge is not valid/],
    ["a join state for a challenge", forged({ challenge: joined.state }), /challenge is not valid/],
  ];
  for (const [what, lie, says] of lies) {
    await assert.rejects(joinAs(authority, joined, lie), refused("JOIN_REFUSED", says), what);
  }
  assert.deepEqual(await world.events("lock.created"), [], "nobody is locked by a forgery");
  await joinAs(authority, joined);
});

test("a join state that the cluster has not signed is none", async (context) => {
  const world = await setUp(context, relaxed);
  const joined = await registered(world);
  const { challenge } = (await requestOf(world.authority, joined)).request;
  for (const state of [challenge, `${joined.state.slice(0, -6)}AAAAAA`, unsigned(joined.state)]) {
    await assert.rejects(
      joinAs(world.authority, { ...joined, state }),
      refused("JOIN_REFUSED", /the join state is not of this token/),
    );
  }
  assert.deepEqual(await world.events("lock.created"), []);
});

function unsigned(jws: string): string {
  const head = Buffer.from(JSON.stringify({ alg: "none", typ: "postern-join-state+jwt" }));
  return `${head.toString("base64url")}.${jws.split(".")[1]}.`;
}

test("a challenge is for one token, one join and one minute", async (context) => {
  const world = await setUp(context, relaxed);
  const joined = await registered(world);
  const { authority } = world;
  const { certificateKey, request } = await requestOf(authority, joined);
  const client = authority.connect(joined.credentials);
  await client.join(request);
  await assert.rejects(client.join(request), refused("JOIN_REFUSED", /challenge was used already/));

  const late = (await requestOf(authority, { ...joined, pending: certificateKey })).request;
  world.later(61_000);
  await assert.rejects(client.join(late), refused("JOIN_REFUSED", /challenge is not valid any/));

  const { challenge } = await client.challenge({ method: "bound_keypair", token: "other" });
  const on = await requestOf(authority, joined);
  await assert.rejects(
    client.join({ ...on.request, challenge }),
    refused("JOIN_REFUSED", /challenge is not valid any/),
  );
});

test("a key of another kind is refused, and the key says how it signs", async (context) => {
  const world = await setUp(context, {});
  const secret = await world.secret();
  const pem = { type: "spki", format: "pem" } as const;
  for (
    const key of [
      generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
      generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey,
    ]
  ) {
    await assert.rejects(
      joinAs(world.authority, machine(TOKEN, { secret }), (request) => ({
        ...request,
        boundKey: key.export(pem).toString(),
      })),
      refused("BAD_REQUEST", /not Ed25519 or P-256/),
    );
  }
});

test("whoever guesses secrets is slowed down", async (context) => {
  const world = await setUp(context, {});
  const guess = () => joinAs(world.authority, machine(TOKEN, { secret: "guess" }));
  for (let count = 0; count < 20; count++) {
    await assert.rejects(guess(), refused("JOIN_REFUSED", /secret/));
  }
  await assert.rejects(guess(), refused("RATE_LIMITED", /20 joins/));
  await assert.rejects(
    world.authority.connect().challenge({ method: "bound_keypair", token: TOKEN }),
    refused("RATE_LIMITED", /20 joins/),
  );
});

test("two machines with one storage cannot both get through at the same time", async (context) => {
  const world = await setUp(context, relaxed);
  const joined = await registered(world);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, () => joinAs(world.authority, joined)),
  );
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal((await world.events("lock.created")).length, 1);
});

const BAD: [string, object, RegExp][] = [
  ["a short secret", { onboarding: { registration_secret: "short" } }, /at least 16 characters/],
  ["no key", { onboarding: { initial_public_key: "ssh-rsa AAAA" } }, /ssh-ed25519 or ecdsa/],
  ["a cut key", { onboarding: { initial_public_key: "ssh-ed25519 AAAA" } }, /no such key/],
  ["an unknown mode", { recovery: { mode: "free" } }, /standard, relaxed, insecure/],
  ["a negative limit", { recovery: { limit: -1 } }, /0 or more/],
  ["no time", { rotate_after: "tomorrow" }, /2030-01-31T12:00:00Z/],
  ["an unknown field", { onboardign: {} }, /onboardign/],
];
for (const [what, section, says] of BAD) {
  test(`a token with ${what} is refused when it is stored`, async (context) => {
    const world = await setUp(context);
    await assert.rejects(world.write(section), refused("BAD_REQUEST", says));
  });
}
