import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import {
  createCa,
  issueCertificate,
  readCertificate,
  verifyCertificate,
} from "../../identity/x509/mod.ts";
import type { Ca, CertificateRequest } from "../../identity/x509/mod.ts";
import type { Claims } from "../../identity/x509/claims.ts";
import { decodeClaims, encodeClaims } from "../../identity/x509/_claims_extension.ts";
import { generateKeyPair } from "../../identity/keys.ts";
import { test } from "../support/harness.ts";

const cluster = "demo.test";
const now = new Date("2026-11-23T12:00:00Z");
const inAnHour = new Date("2026-11-23T13:00:00Z");
const inAYear = new Date("2027-11-23T12:00:00Z");
const instance = "0123456789abcdef0123456789abcdef";
const principal = {
  bot: "robot",
  instance,
  roles: ["mcp-user", '#quoted "role", with=signs', "wörter"],
  traits: { team: ["a", "b"], empty: [] },
};
const identity: Claims = { kind: "identity", ...principal, reissue: true };
const everyKind: readonly Claims[] = [
  { kind: "bot", bot: "robot", instance, generation: 7 },
  identity,
  { ...identity, app: "files" },
  {
    kind: "session",
    ...principal,
    app: "files",
    session: "7c9a0d4e-63de-4b0b-9d0e-2f7d4d4b6d11",
    ticket: "t1",
  },
  { kind: "host", role: "agent", host: instance },
];

const userCa = await createCa({ cluster, kind: "user", notBefore: now, notAfter: inAYear });
const hostCa = await createCa({ cluster, kind: "host", notBefore: now, notAfter: inAYear });
const { publicKey } = generateKeyPair();

function request(changes: Partial<CertificateRequest> = {}): CertificateRequest {
  return {
    cluster,
    publicKey,
    claims: identity,
    notBefore: now,
    notAfter: inAnHour,
    usage: ["client"],
    ...changes,
  };
}

async function issued(changes: Partial<CertificateRequest> = {}, ca: Ca = userCa) {
  return readCertificate((await issueCertificate(ca, request(changes))).certificate);
}

for (const claims of everyKind) {
  const what = "app" in claims && claims.kind === "identity" ? "an app's" : `a ${claims.kind}`;
  test(`${what} certificate carries its claims and its SPIFFE ID`, async () => {
    const ca = claims.kind === "host" ? hostCa : userCa;
    const usage = claims.kind === "host" ? "server" : "client";
    const made = await issueCertificate(ca, request({ claims, usage: [usage] }));
    const info = readCertificate(made.certificate);
    assert.deepEqual(info.claims, claims);
    assert.equal(
      info.spiffeId,
      claims.kind === "host"
        ? `spiffe://demo.test/agent/${instance}`
        : "spiffe://demo.test/bot/robot",
    );
    assert.equal(info.cluster, cluster);
    assert.equal(info.publicKey, publicKey);
    assert.equal(info.serial, made.serial);
    assert.deepEqual(readCertificate(info.raw), info);
    await verifyCertificate(info, [ca.certificate], now, usage);
  });
}

test("a certificate starts a minute early, ends on time, and says what other tools look for", async () => {
  const info = await issued({ dnsNames: ["a.test"], ipAddresses: ["127.0.0.1", "::1"] });
  assert.equal(info.notBefore.toISOString(), "2026-11-23T11:59:00.000Z");
  assert.equal(info.notAfter.toISOString(), "2026-11-23T13:00:00.000Z");
  const x509 = new X509Certificate(info.raw);
  assert.match(x509.subject, /CN=bot-robot/);
  assert.match(x509.subject, /O=mcp-user/);
  assert.match(x509.subjectAltName ?? "", /URI:spiffe:\/\/demo\.test\/bot\/robot/);
  assert.match(x509.subjectAltName ?? "", /DNS:a\.test/);
  assert.match(x509.subjectAltName ?? "", /IP Address:127\.0\.0\.1/);
  assert.equal(x509.ca, false);
  assert.equal(x509.verify(new X509Certificate(userCa.certificate).publicKey), true);
});

test("serial numbers are 128 bits, positive, and never the same", async () => {
  const serials = await Promise.all(
    Array.from({ length: 20 }, async () => (await issued()).serial),
  );
  assert.equal(new Set(serials).size, 20);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9a-f]{31}$/);
});

test("a certificate never outlives its CA", async () => {
  const short = await createCa({ cluster, kind: "user", notBefore: now, notAfter: inAnHour });
  const info = await issued({ notAfter: inAYear }, short);
  assert.equal(info.notAfter.toISOString(), inAnHour.toISOString());
  await assert.rejects(
    issueCertificate(short, request({ notBefore: inAnHour, notAfter: inAYear })),
    { code: "CERTIFICATE_EXPIRED" },
  );
});

test("each CA signs only its own kind and its own cluster", async () => {
  const host: Claims = { kind: "host", role: "relay", host: instance };
  for (
    const [ca, changes] of [
      [hostCa, {}],
      [userCa, { claims: host }],
      [userCa, { cluster: "other.test" }],
    ] as const
  ) {
    await assert.rejects(issueCertificate(ca, request(changes)), { code: "BAD_REQUEST" });
  }
});

const unissuable: Record<string, unknown> = {
  "a bot name with a slash": { ...identity, bot: "a/b" },
  "a bot name of dots": { ...identity, bot: ".." },
  "a generation of 0": { kind: "bot", bot: "robot", instance, generation: 0 },
  "an instance in upper case": { ...identity, instance: instance.toUpperCase() },
  "an unknown kind": { ...identity, kind: "admin" },
  "a field too many": { ...identity, admin: true },
  "an app without a name": { ...identity, app: "" },
  "roles that are not text": { ...identity, roles: [1] },
  "too many roles": { ...identity, roles: Array.from({ length: 2_000 }, (_, i) => `role-${i}`) },
};
for (const [what, claims] of Object.entries(unissuable)) {
  test(`no certificate is issued with ${what}`, async () => {
    await assert.rejects(issueCertificate(userCa, request({ claims: claims as Claims })), {
      code: "BAD_REQUEST",
    });
  });
}

test("claims survive encoding at every length of the DER header, and no cut of them is read", () => {
  for (const size of [0, 20, 126, 127, 128, 129, 255, 256, 300, 10_000]) {
    const claims: Claims = { ...identity, traits: { t: ["x".repeat(size)] } };
    assert.deepEqual(decodeClaims(encodeClaims(claims)), claims);
  }
  const der = encodeClaims({ kind: "bot", bot: "b", instance, generation: 1 });
  for (let end = 0; end < der.length; end++) {
    assert.equal(decodeClaims(der.subarray(0, end)), undefined);
  }
  assert.equal(decodeClaims(Buffer.concat([der, Buffer.of(0)])), undefined);
});

test("claims of a later version are not guessed at", () => {
  const der = Buffer.from(encodeClaims({ kind: "bot", bot: "b", instance, generation: 1 }));
  const later = Buffer.from(der.toString("latin1").replace('"v":1', '"v":2'), "latin1");
  assert.equal(decodeClaims(later), undefined);
});

const unreadable: Record<string, () => Promise<string | Uint8Array> | string | Uint8Array> = {
  "a CA": () => userCa.certificate,
  "text": () => "not a certificate",
  "nothing": () => new Uint8Array(),
  "two certificates": async () => {
    const { certificate } = await issueCertificate(userCa, request());
    return certificate + certificate;
  },
  "a cut certificate": async () => (await issued()).raw.subarray(0, 300),
  "a certificate whose SPIFFE ID and claims differ": async () =>
    replaced((await issued()).raw, '"bot":"robot"', '"bot":"boror"'),
  "a certificate whose claims are not JSON": async () =>
    replaced((await issued()).raw, '{"v":1', '["v":1'),
};
for (const [what, make] of Object.entries(unreadable)) {
  test(`readCertificate() refuses ${what}`, async () => {
    const source = await make();
    assert.throws(() => readCertificate(source), {
      name: "IdentityError",
      code: "CERTIFICATE_INVALID",
    });
  });
}

test("verifyCertificate() refuses a CA of the same name with another key", async () => {
  const impostor = await createCa({ cluster, kind: "user", notBefore: now, notAfter: inAYear });
  const info = await issued({}, impostor);
  await rejects(info, [userCa.certificate], now, "CERTIFICATE_INVALID");
  await verifyCertificate(info, [userCa.certificate, impostor.certificate], now, "client");
});

test("verifyCertificate() refuses changed bytes", async () => {
  const { raw } = await issued();
  const info = readCertificate(replaced(raw, '"mcp-user"', '"mcp-root"'));
  await rejects(info, [userCa.certificate], now, "CERTIFICATE_INVALID");
});

test("verifyCertificate() takes no user's certificate for a host's, nor the other way", async () => {
  const user = await issued({ usage: ["client", "server"] });
  await rejects(user, [hostCa.certificate], now, "CERTIFICATE_INVALID");
  const claims: Claims = { kind: "host", role: "agent", host: instance };
  const host = await issued({ claims, usage: ["server"] }, hostCa);
  await rejects(host, [userCa.certificate], now, "CERTIFICATE_INVALID", "server");
  await rejects(host, [hostCa.certificate], now, "CERTIFICATE_INVALID", "client");
});

test("verifyCertificate() judges the dates of the certificate and of the CA", async () => {
  const info = await issued();
  const cas = [userCa.certificate];
  await verifyCertificate(info, cas, new Date("2026-11-23T11:59:00Z"), "client");
  await rejects(info, cas, new Date("2026-11-23T11:58:59Z"), "CERTIFICATE_INVALID");
  await verifyCertificate(info, cas, inAnHour, "client");
  await rejects(info, cas, new Date(inAnHour.getTime() + 1), "CERTIFICATE_EXPIRED");
  await rejects(info, cas, new Date("2027-11-24T00:00:00Z"), "CERTIFICATE_INVALID");
});

test("verifyCertificate() accepts no machine's certificate as a CA", async () => {
  const { certificate } = await issueCertificate(userCa, request());
  await rejects(await issued(), [certificate], now, "CERTIFICATE_INVALID");
  await rejects(await issued(), [], now, "CERTIFICATE_INVALID");
});

for (const name of ["", "Upper.test", "a/b", "a b", "-a"]) {
  test(`createCa() refuses a cluster named "${name}"`, async () => {
    await assert.rejects(
      createCa({ cluster: name, kind: "user", notBefore: now, notAfter: inAYear }),
      { code: "BAD_REQUEST" },
    );
  });
}

async function rejects(
  info: Awaited<ReturnType<typeof issued>>,
  cas: readonly string[],
  at: Date,
  code: string,
  usage: "client" | "server" = "client",
): Promise<void> {
  await assert.rejects(verifyCertificate(info, cas, at, usage), { name: "IdentityError", code });
}

/** The same certificate with some of its text changed, so that its signature no longer fits. */
function replaced(raw: Uint8Array, from: string, to: string): Uint8Array {
  const before = Buffer.from(raw).toString("latin1");
  assert.ok(before.includes(from) && from.length === to.length);
  return Buffer.from(before.replace(from, to), "latin1");
}
