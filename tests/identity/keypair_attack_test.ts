// A hostile client at the endpoints of joining by a bound keypair: whatever it sends, it does not get
// in, nobody else is locked out, and nothing that it sends is kept.
import assert from "node:assert/strict";
import fc from "fast-check";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import type { KeypairJoin } from "../../identity/authority/api.ts";
import { publicApi } from "../../identity/authority/public_api.ts";
import { createBoundKey } from "../../identity/join/mod.ts";
import { generateKeyPair } from "../../identity/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { expired, joinAs, machine, requestOf } from "../support/keypair_machine.ts";
import { realAuthority } from "../support/real_authority.ts";

const TOKEN = "robot-1";

async function setUp(context: TestContext, mode = "relaxed") {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const { store } = authority.cluster;
  const admin = createAdmin(authority.cluster, {
    listTools: () => Promise.reject(new Error("not asked")),
    openSessions: () => [],
  });
  const text = JSON.stringify({
    kind: "token",
    version: "v2",
    metadata: { name: TOKEN },
    spec: {
      roles: ["Bot"],
      join_method: "bound_keypair",
      bot_name: "robot",
      bound_keypair: { recovery: { mode } },
    },
  });
  await admin.createResources({ text, file: "t.yaml", force: true });
  const [token] = await admin.getResources({
    refs: [{ kind: "token", name: TOKEN }],
    secrets: true,
  });
  const { registration_secret: secret } = token!.status!["bound_keypair"] as Record<string, string>;
  const owner = await joinAs(authority, machine(TOKEN, { secret: secret! }));
  const api = publicApi(authority.cluster);
  return {
    authority,
    owner,
    secret: secret!,
    stored: async () =>
      JSON.stringify([
        await store.list("bound_keypair"),
        await store.list("instance"),
        await store.list("lock"),
      ]),
    /** Each from an address of its own, lest the limit answers. */
    post: async (path: string, body: unknown) => {
      const request = new Request(`https://cluster.test${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const response = await api.fetch(request, { peer: undefined, remote: crypto.randomUUID() });
      return { status: response.status, said: await response.text() };
    },
  };
}

const FIELDS = ["token", "publicKey", "challenge", "boundKey", "proof", "state", "next"] as const;

test("a request of which any part is another's is refused, and changes nothing", async (context) => {
  const { authority, owner, post, secret, stored } = await setUp(context);
  const before = await stored();
  const strangerKey = createBoundKey();
  const stranger = machine(TOKEN, { boundKey: strangerKey, secret, nextKey: createBoundKey() });
  const real = async () => (await requestOf(authority, expired(owner))).request;
  const [one, other, strange] = [
    await real(),
    await real(),
    (await requestOf(authority, stranger)).request,
  ];
  const part = (field: typeof FIELDS[number]) =>
    fc.oneof(
      fc.constantFrom<unknown>(other[field], strange[field], undefined),
      fc.constantFrom<unknown>(other.challenge, one.state, strange.proof, secret, owner.token),
      fc.constantFrom<unknown>(generateKeyPair().publicKey, strangerKey.publicKey),
      fc.jsonValue({ maxDepth: 2 }),
      fc.string({ unit: "binary", maxLength: 300 }),
    );
  const change = fc.constantFrom(...FIELDS).chain((field) =>
    part(field).map((value) => ({ [field]: value }))
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(one, strange),
      async (changes, from) => {
        const request: KeypairJoin = Object.assign({}, from, ...changes);
        // The owner's own request, or another whole one of its, is no attack.
        const honest = [one, other].some((each) =>
          FIELDS.every((field) => JSON.stringify(each[field]) === JSON.stringify(request[field]))
        );
        if (honest) return;
        const { said, status } = await post("/postern/v1/join", request);
        assert.ok([400, 403].includes(status), `${status} ${said}`);
        assert.ok(!said.includes(secret) && !said.includes("PRIVATE KEY"), said);
        assert.equal(await stored(), before, "nothing of it is kept");
      },
    ),
    { numRuns: 600 },
  );
  await joinAs(authority, owner);
});

test("what asks for challenges fills no memory and no store", async (context) => {
  const { authority, post, stored } = await setUp(context);
  const before = await stored();
  let writes = 0;
  const stop = authority.cluster.store.subscribe((changes) => void (writes += changes.length));
  context.cleanup(stop);
  const challenges = new Set<string>();
  for (let count = 0; count < 300; count++) {
    const token = count % 2 ? TOKEN : `no-such-${count}`;
    const { said, status } = await post("/postern/v1/join/challenge", {
      method: "bound_keypair",
      token,
    });
    assert.equal(status, 200, said);
    challenges.add(JSON.parse(said).challenge);
  }
  assert.equal(challenges.size, 300, "each is another");
  assert.deepEqual([writes, await stored()], [0, before]);
});

test("whether there is a token is not told by a challenge", async (context) => {
  const { post } = await setUp(context);
  const shapes = await Promise.all([TOKEN, "no-such"].map(async (token) => {
    const { said, status } = await post("/postern/v1/join/challenge", {
      method: "bound_keypair",
      token,
    });
    return [status, ...Object.keys(JSON.parse(said))];
  }));
  assert.deepEqual(shapes[0], shapes[1]);
});

test("a body of any size or depth is answered", async (context) => {
  const { post } = await setUp(context);
  const long = "a".repeat(40_000);
  const deep = JSON.parse("[".repeat(5_000) + "]".repeat(5_000));
  for (const value of [long, deep, { [long]: 1 }, Array(9_000).fill(0)]) {
    for (const path of ["/postern/v1/join", "/postern/v1/join/challenge"]) {
      for (const field of [...FIELDS, "secret", "method"]) {
        const { status } = await post(path, { method: "bound_keypair", [field]: value });
        assert.ok([400, 403].includes(status), `${path} ${field}: ${status}`);
      }
    }
  }
});

test("in insecure mode so many joins at a time are enough", async (context) => {
  const { authority, owner } = await setUp(context, "insecure");
  const { store } = authority.cluster;
  const item = (await store.get<object>("bound_keypair", TOKEN))!.value;
  const fill = (until: Date) =>
    store.update((tx) =>
      tx.put("bound_keypair", TOKEN, {
        ...item,
        challenges: Object.fromEntries(
          Array.from({ length: 1_000 }, (_, index) => [`used-${index}`, until.toISOString()]),
        ),
      })
    );
  await fill(new Date(Date.now() + 60_000));
  await assert.rejects(joinAs(authority, owner), { code: "RATE_LIMITED" });
  // Those whose time is over are forgotten.
  await fill(new Date(Date.now() - 1));
  await joinAs(authority, owner);
  const { challenges } = (await store.get<{ challenges: object }>("bound_keypair", TOKEN))!.value;
  assert.equal(Object.keys(challenges).length, 1);
});
