// Joining by OIDC tokens: a real authority, a real issuer on loopback, the real client.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import {
  type IdTokenMethod,
  IssuerKeys,
  proveIdToken,
  type TokenRules,
} from "../../identity/join/mod.ts";
import { matches } from "../../identity/join/conditions.ts";
import { generateKeyPair, IdentityError, systemClock } from "../../identity/mod.ts";
import { readCertificate } from "../../identity/x509/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { OidcIssuer, type TokenOptions } from "../support/oidc_issuer.ts";
import { type Credentials, realAuthority, TTL } from "../support/real_authority.ts";

/** A token resource; JSON is YAML. */
function resource(method: string, section: object | undefined, name = "ci"): string {
  return JSON.stringify({
    kind: "token",
    version: "v2",
    metadata: { name },
    spec: { roles: ["Bot"], join_method: method, bot_name: "robot", [method]: section },
  });
}

async function setUp(context: TestContext) {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const issuer = await OidcIssuer.start(context);
  const admin = createAdmin(authority.cluster, {
    listTools: () => Promise.reject(new Error("not asked")),
    openSessions: () => [],
  });
  const create = (method: string, section: object | undefined) =>
    admin.createResources({ text: resource(method, section), file: "t.yaml", force: true });
  const join = async (method: IdTokenMethod, idToken: string, {
    as,
    pair = generateKeyPair(),
  }: { as?: Credentials; pair?: ReturnType<typeof generateKeyPair> } = {}) => {
    const { publicKey, privateKey: key } = pair;
    const asked = { method, token: "ci", idToken, publicKey, ttl: TTL };
    const { tls } = await authority.connect(as).join(asked);
    const { claims } = readCertificate(tls);
    assert.ok(claims.kind === "bot");
    return { certificate: tls, key, claims };
  };
  return { authority, issuer, admin, create, join };
}

const refused = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof IdentityError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  return true;
};

test("a machine joins by its issuer's token, and stays the same instance while it proves itself", async (context) => {
  const { authority, create, issuer, join } = await setUp(context);
  await create("generic_oidc", { issuer: issuer.url, allow: [{ claims: { sub: "machine" } }] });
  const first = await join("generic_oidc", await issuer.token());
  assert.deepEqual([first.claims.bot, first.claims.generation], ["robot", 1]);

  const again = await join("generic_oidc", await issuer.token(), { as: first });
  assert.equal(again.claims.instance, first.claims.instance);
  assert.equal(again.claims.generation, 2);
  // Without a certificate it is another machine.
  const other = await join("generic_oidc", await issuer.token());
  assert.notEqual(other.claims.instance, first.claims.instance);

  // What proves itself does not renew: a stolen certificate ends by itself.
  const { publicKey } = generateKeyPair();
  await assert.rejects(
    authority.connect(again).renew({ publicKey, ttl: TTL }),
    refused("ACCESS_DENIED", /joined by generic_oidc, and does not renew/),
  );
  // A copy of the older certificate gives itself away, token or not.
  await assert.rejects(
    join("generic_oidc", await issuer.token(), { as: first }),
    refused("LOCKED", /generation 1, and generation 2/),
  );
  const events = await authority.cluster.store.latestEvents(100);
  const joins = events.map(({ event }) => event).filter(({ type }) => type === "bot.join");
  assert.deepEqual((joins[0] as Record<string, unknown>)["attributes"], {
    iss: issuer.url,
    sub: "machine",
    jti: (joins[0]!["attributes"] as { jti: string }).jti,
  });
  assert.doesNotMatch(JSON.stringify(events), /eyJ/, "no token is recorded");
});

test("a token is good for one machine, and answers its lost reply again", async (context) => {
  const { create, issuer, join } = await setUp(context);
  await create("generic_oidc", { issuer: issuer.url, allow: [{ claims: { sub: "machine" } }] });
  const token = await issuer.token();
  const pair = generateKeyPair();
  const first = await join("generic_oidc", token, { pair });
  const again = await join("generic_oidc", token, { pair });
  assert.equal(again.claims.instance, first.claims.instance);
  assert.equal(again.claims.generation, 1);
  await assert.rejects(join("generic_oidc", token), refused("JOIN_TOKEN_USED", /its OIDC token/));
});

test("a used token stays used, however its signature is spelled", async (context) => {
  const { create, issuer, join } = await setUp(context);
  await create("generic_oidc", { issuer: issuer.url, allow: [{ claims: { sub: "machine" } }] });
  const token = await issuer.token();
  await join("generic_oidc", token);
  const [head, claims, signature = ""] = token.split(".");
  // ECDSA: s and n - s verify alike (the order n of P-256, FIPS 186-5).
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const bytes = Buffer.from(signature, "base64url");
  const s = BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const other = Buffer.from((order - s).toString(16).padStart(64, "0"), "hex");
  const malleated = Buffer.concat([bytes.subarray(0, 32), other]).toString("base64url");
  assert.notEqual(malleated, signature);
  await assert.rejects(
    join("generic_oidc", `${head}.${claims}.${malleated}`),
    refused("JOIN_TOKEN_USED", /its OIDC token/),
  );
});

const BAD: readonly { what: string; token: TokenOptions; says: RegExp }[] = [
  { what: "of another issuer", token: { issuer: "https://evil.example" }, says: /"iss"/ },
  { what: "for another audience", token: { audience: "other.test" }, says: /"aud"/ },
  { what: "that has expired", token: { issuedAt: -900, expires: -60 }, says: /"exp"/ },
  { what: "under a key that nobody knows", token: { kid: "x" }, says: /no applicable key/ },
  { what: "that no rule allows", token: { claims: { sub: "stranger" } }, says: /"stranger"/ },
];
for (const { what, token, says } of BAD) {
  test(`a token ${what} is refused`, async (context) => {
    const { create, issuer, join } = await setUp(context);
    await create("generic_oidc", { issuer: issuer.url, allow: [{ claims: { sub: "machine" } }] });
    await assert.rejects(
      join("generic_oidc", await issuer.token(token)),
      refused("JOIN_REFUSED", says),
    );
  });
}

test("a token without a signature, or signed with what everybody knows, is refused", async (context) => {
  const { create, issuer, join } = await setUp(context);
  await create("generic_oidc", { issuer: issuer.url, allow: [{ claims: { sub: "machine" } }] });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [, claims = ""] = (await issuer.token()).split(".");
  const unsigned = `${part({ alg: "none" })}.${claims}.`;
  const head = `${part({ alg: "HS256", kid: "key-1" })}.${claims}`;
  const mac = createHmac("sha256", issuer.jwks).update(head).digest("base64url");
  const [good] = (await issuer.token()).split(".");
  for (const token of [unsigned, `${head}.${mac}`, `${good}.${claims}.AAAA`, "x", "a.b.c"]) {
    await assert.rejects(join("generic_oidc", token), refused("JOIN_REFUSED", /not valid/));
  }
});

test("an issuer that lies, floods or redirects is not believed", async (context) => {
  const { create, issuer, join } = await setUp(context);
  await create("generic_oidc", { issuer: issuer.url, allow: [{ claims: { sub: "mach?ne" } }] });
  issuer.claimsToBe = "https://other.example";
  const untrusted = async () => join("generic_oidc", await issuer.token());
  await assert.rejects(untrusted(), refused("UNAVAILABLE", /of another issuer/));
  issuer.claimsToBe = undefined;
  issuer.instead = (_, response) => {
    response.writeHead(200).end("x".repeat(600_000));
    return true;
  };
  await assert.rejects(untrusted(), refused("UNAVAILABLE", /too large/));
  issuer.instead = (path, response) =>
    path === "/elsewhere"
      ? false
      : (response.writeHead(302, { location: `${issuer.url}/elsewhere` }).end(), true);
  await assert.rejects(untrusted(), refused("UNAVAILABLE", /Cannot have the keys/));
  assert.ok(!issuer.asked.includes("/elsewhere"));
  issuer.instead = undefined;
  await untrusted();
});

test("keys that an issuer has changed are found while the authority runs", async (context) => {
  const issuer = await OidcIssuer.start(context);
  const keys = new IssuerKeys(systemClock, { cooldownMs: 0 });
  const rules: TokenRules = {
    issuer: issuer.url,
    allow: [[{ claim: "sub", as: "exact", value: "machine" }]],
  };
  const prove = async () =>
    await proveIdToken(
      { method: "generic_oidc", rules, idToken: await issuer.token(), cluster: "example.test" },
      { clock: systemClock, keys },
    );
  await prove();
  const old = await issuer.token();
  await issuer.rotate();
  await prove();
  await prove();
  const proof = { method: "generic_oidc", rules, cluster: "example.test" } as const;
  await assert.rejects(
    proveIdToken({ ...proof, idToken: old }, { clock: systemClock, keys }),
    refused("JOIN_REFUSED", /no applicable key/),
  );
  assert.equal(issuer.asked.filter((path) => path.startsWith("/.well-known")).length, 1);
});

test("github, gitlab and kubernetes: claims as their rules name them, keys written down", async (context) => {
  const { create, issuer, join } = await setUp(context);
  const github = { issuer: "https://token.actions.githubusercontent.com" };
  const pod = { "kubernetes.io": { namespace: "ci", pod: { name: "p", uid: "1" } } };
  const cases: [IdTokenMethod, object, TokenOptions, TokenOptions][] = [
    [
      "github",
      { static_jwks: issuer.jwks, allow: [{ repository: "acme/app", environment: "prod" }] },
      { ...github, claims: { repository: "acme/app", environment: "prod" } },
      { ...github, claims: { repository: "acme/app" } },
    ],
    [
      "github",
      {
        enterprise_slug: "acme",
        static_jwks: issuer.jwks,
        allow: [{ repository_owner: "acme" }],
      },
      { issuer: `${github.issuer}/acme`, claims: { repository_owner: "acme" } },
      { ...github, claims: { repository_owner: "acme" } },
    ],
    [
      "gitlab",
      {
        domain: "git.example.com",
        static_jwks: issuer.jwks,
        allow: [{ project_path: "acme/*", ref_protected: true }],
      },
      {
        issuer: "https://git.example.com",
        claims: { project_path: "acme/app", ref_protected: "true" },
      },
      {
        issuer: "https://git.example.com",
        claims: { project_path: "acme/app", ref_protected: "false" },
      },
    ],
    [
      "kubernetes",
      {
        type: "static_jwks",
        static_jwks: { jwks: issuer.jwks },
        allow: [{ service_account: "ci:deployer" }],
      },
      { claims: { sub: "system:serviceaccount:ci:deployer", ...pod } },
      { claims: { sub: "system:serviceaccount:ci:deployer" } },
    ],
    [
      "kubernetes",
      {
        type: "static_jwks",
        static_jwks: { jwks: issuer.jwks },
        allow: [{ service_account: "ci:deployer" }],
      },
      { claims: { sub: "system:serviceaccount:ci:deployer", ...pod } },
      { claims: { sub: "system:serviceaccount:ci:deployer", ...pod }, expires: 86_400 },
    ],
  ];
  for (const [method, section, good, bad] of cases) {
    await create(method, section);
    await join(method, await issuer.token(good));
    await assert.rejects(
      join(method, await issuer.token(bad)),
      refused("JOIN_REFUSED", /./),
      `${method} ${JSON.stringify(bad)}`,
    );
  }
  // A token is for its method alone.
  const [, , good] = cases[3]!;
  await assert.rejects(
    join("github", await issuer.token(good)),
    refused("JOIN_REFUSED", /no github token of this name/),
  );
});

test("the name of a token that is none here is neither answered nor recorded: it may be a secret", async (context) => {
  const { authority, issuer } = await setUp(context);
  const misplaced = "5ecret0f50mething31se";
  const { publicKey } = generateKeyPair();
  const asked = { token: misplaced, idToken: await issuer.token(), publicKey, ttl: TTL };
  const failure = await authority.connect().join({ ...asked, method: "github" })
    .catch((error: unknown) => error);
  assert.ok(failure instanceof IdentityError);
  assert.equal(failure.code, "JOIN_REFUSED");
  assert.doesNotMatch(`${failure.message} ${failure.hint}`, new RegExp(misplaced));
  const events = await authority.cluster.store.latestEvents(10);
  assert.deepEqual(events.map(({ event }) => event["code"]).at(-1), "TJ001E");
  assert.doesNotMatch(JSON.stringify(events), new RegExp(misplaced));
});

test("a token resource is checked, shown as it was written, and removed", async (context) => {
  const { admin, create } = await setUp(context);
  const section = { allow: [{ repository: "acme/app" }] };
  await create("github", section);
  const [shown] = await admin.getResources({ refs: [{ kind: "token", name: "ci" }] });
  assert.deepEqual(shown?.spec, {
    roles: ["Bot"],
    join_method: "github",
    bot_name: "robot",
    github: section,
  });
  assert.deepEqual(await admin.listTokens({}), [
    { id: "ci", bot: "robot", method: "github", state: "usable" },
  ]);
  const bad: [string, object | undefined, RegExp][] = [
    ["iam", {}, /the join method "iam" is not supported: use generic_oidc/],
    ["gitub", {}, /there is no join method "gitub"/],
    ["github", { allow: [] }, /write at least one rule/],
    ["github", { allow: [{ actor: "me" }] }, /name at least one of sub, repository/],
    ["github", { allow: [{ repo: "acme/app" }] }, /repo/],
    ["github", { allow: [{ sub: "x", repositry: "y" }] }, /did you mean `repository`/],
    ["generic_oidc", { issuer: "http://far.example", allow: [{ claims: { sub: "x" } }] }, /https/],
    ["generic_oidc", { issuer: "https://x", allow: [{ claims: {} }] }, /at least one claim/],
    ["kubernetes", { type: "in_cluster", allow: [{ service_account: "a:b" }] }, /static_jwks/],
    ["kubernetes", { type: "static_jwks", static_jwks: { jwks: "{}" }, allow: [] }, /JWKS/],
    ["gitlab", undefined, /needs a section `gitlab`/],
  ];
  for (const [method, section, says] of bad) {
    await assert.rejects(create(method, section), refused("BAD_REQUEST", says), method);
  }
  await admin.removeResource({ kind: "token", name: "ci" });
  assert.deepEqual(await admin.listTokens({}), []);
});

test("globs of rules match in full, in linear time", () => {
  const cases: [string, string, boolean][] = [
    ["acme/*", "acme/app", true],
    ["acme/*", "x/acme/app", false],
    ["*", "", true],
    ["?", "", false],
    ["a?c", "abc", true],
    ["a*b*c", "aXbYc", true],
    ["a*b*c", "aXcYb", false],
    ["**a", "ba", true],
    ["a.c", "abc", false],
  ];
  for (const [glob, text, whether] of cases) assert.equal(matches(glob, text), whether, glob);
  assert.equal(matches(`${"a*".repeat(500)}b`, "a".repeat(20_000)), false);
});
