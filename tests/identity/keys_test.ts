import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import {
  generateKeyPair,
  normalizePublicKey,
  publicKeyFingerprint,
  publicKeyOf,
} from "../../identity/keys.ts";
import { isPin, matchesPin } from "../../identity/pin.ts";
import { caPin } from "../../identity/pin.ts";
import { createCa } from "../../identity/x509/mod.ts";
import { test } from "../support/harness.ts";

test("a key pair is ECDSA P-256, and its public half follows from its private half", () => {
  const pair = generateKeyPair();
  assert.match(pair.privateKey, /^-----BEGIN PRIVATE KEY-----\n/);
  assert.equal(publicKeyOf(pair.privateKey), pair.publicKey);
  assert.notEqual(generateKeyPair().publicKey, pair.publicKey);
});

test("publicKeyFingerprint() is the SHA-256 of the DER in hex", () => {
  const { publicKey } = generateKeyPair();
  const der = createPublicKey(publicKey).export({ type: "spki", format: "der" });
  assert.equal(
    publicKeyFingerprint(publicKey),
    createHash("sha256").update(der).digest("hex"),
  );
});

test("normalizePublicKey() gives one key one spelling", () => {
  const { publicKey } = generateKeyPair();
  const base64 = publicKey.split("\n").slice(1, -2).join("");
  const lines = base64.replace(/.{40}/g, "$&\r\n");
  const other = `\n-----BEGIN PUBLIC KEY-----\r\n${lines}\r\n-----END PUBLIC KEY-----`;
  assert.notEqual(other, publicKey);
  assert.equal(normalizePublicKey(other), publicKey);
});

const refused = {
  "an RSA key": () => spki(generateKeyPairSync("rsa", { modulusLength: 2048 })),
  "a key on another curve": () => spki(generateKeyPairSync("ec", { namedCurve: "P-384" })),
  "an Ed25519 key": () => spki(generateKeyPairSync("ed25519")),
  "a private key": () => generateKeyPair().privateKey,
  "text": () => "hello",
  "a key with a long tail": () => generateKeyPair().publicKey + " ".repeat(5_000),
};
for (const [what, make] of Object.entries(refused)) {
  test(`normalizePublicKey() refuses ${what}`, () => {
    const key = make();
    assert.throws(() => normalizePublicKey(key), { name: "IdentityError", code: "BAD_REQUEST" });
  });
}

test("a CA matches its own pin in either case, and no other's", async () => {
  const dates = { notBefore: new Date(), notAfter: new Date(Date.now() + 3_600_000) };
  const one = await createCa({ cluster: "one.test", kind: "host", ...dates });
  const two = await createCa({ cluster: "one.test", kind: "host", ...dates });
  const pin = caPin(one.certificate);
  assert.equal(pin, `sha256:${publicKeyFingerprint(publicKeyOf(one.key))}`);
  assert.equal(matchesPin(one.certificate, [caPin(two.certificate), pin.toUpperCase()]), true);
  assert.equal(matchesPin(one.certificate, [caPin(two.certificate)]), false);
  assert.equal(matchesPin(one.certificate, []), false);
  assert.deepEqual(
    [pin, pin.slice(0, -1), pin.slice(7), "sha256:"].map(isPin),
    [true, false, false, false],
  );
});

function spki(pair: { publicKey: ReturnType<typeof createPublicKey> }): string {
  return pair.publicKey.export({ type: "spki", format: "pem" }).toString();
}
