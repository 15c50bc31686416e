// The rules of joining by a bound keypair as a question to facts: what is hard to bring about over a
// network, and must come out right all the same.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { importPKCS8, SignJWT } from "jose";
import type { InstanceItem, KeypairItem } from "../../identity/authority/cluster.ts";
import { type Attempt, judgeKeypair } from "../../identity/authority/join_by_keypair_rules.ts";
import type { JoinState } from "../../identity/authority/join_documents.ts";
import {
  createBoundKey,
  type KeypairRules,
  type ProofSubject,
  signProof,
  verifyProof,
} from "../../identity/join/mod.ts";
import { generateKeyPair, publicKeyFingerprint } from "../../identity/mod.ts";
import { fromAuthorizedKey, toAuthorizedKey } from "../../identity/ssh/mod.ts";
import { test } from "../support/harness.ts";

const [key, nextKey, third] = [createBoundKey(), createBoundKey(), createBoundKey()]
  .map(({ publicKey }) => publicKey) as [string, string, string];
const now = new Date("2026-11-23T12:00:00Z");
const past = "2026-11-23T11:00:00Z";

const item: KeypairItem = {
  uid: "u",
  boundKey: key,
  keyedAt: "2026-11-01T00:00:00Z",
  recoveries: 1,
  sequence: 5,
  state: "state-5",
  seen: "state-4",
  certificateKey: "certificate-5",
  instance: "i",
};
const stored: InstanceItem = {
  bot: "robot",
  instance: "i",
  generation: 5,
  key: "certificate-5",
  joined: past,
  renewed: past,
};

function state(sequence: number, rest: Partial<JoinState> = {}): JoinState {
  return {
    token: "t",
    uid: "u",
    bot: "robot",
    instance: "i",
    id: `state-${sequence}`,
    sequence,
    recoveries: 1,
    limit: 1,
    mode: "standard",
    key: publicKeyFingerprint(key),
    ...rest,
  };
}

const attempt: Attempt = {
  now,
  epoch: "first",
  key,
  nextKey: undefined,
  secret: undefined,
  state: state(5),
  certificateKey: "certificate-6",
  member: { instance: "i", generation: 5, stored },
};

function rules(mode: KeypairRules["recovery"]["mode"] = "standard", rest = {}): KeypairRules {
  return { recovery: { limit: 1, mode }, ...rest };
}

function judge(
  { as = {}, of = {}, by = rules() }: {
    as?: Partial<Attempt>;
    of?: Partial<KeypairItem>;
    by?: KeypairRules;
  } = {},
) {
  return judgeKeypair(by, { ...item, ...of }, { ...attempt, ...as });
}

test("who shows the last join state and a good certificate goes on", () => {
  const verdict = judge();
  assert.ok(verdict.kind === "admitted");
  assert.equal(verdict.member?.instance, "i");
  const { sequence, recoveries, seen, boundKey } = verdict.next;
  assert.deepEqual([sequence, recoveries, seen, boundKey], [6, 1, "state-5", key]);
});

test("a join state ahead of the store is taken once in an epoch, and is a copy's then", () => {
  const as = { state: state(9, { id: "other" }) };
  const verdict = judge({ as });
  assert.ok(verdict.kind === "admitted" && verdict.adopted);
  assert.deepEqual([verdict.next.sequence, verdict.next.adopted], [10, "first"]);
  assert.equal(judge({ as, of: { adopted: "first" } }).kind, "cloned");
  assert.equal(judge({ as, of: { adopted: "before" } }).kind, "admitted");
  // It vouches for the key that it names, and for no other.
  const named = state(9, { key: publicKeyFingerprint(third) });
  assert.equal(judge({ as: { state: named } }).kind, "cloned");
  assert.equal(judge({ as: { state: named, key: nextKey } }).kind, "refused");
});

test("a key that an administrator has written anew is not undone by a join state", () => {
  const by = rules("relaxed", { initialKey: third });
  const as = { state: state(9) };
  assert.equal(judge({ as, by }).kind, "refused");
  assert.equal(judge({ as: { key: third }, by }).kind, "admitted");
  // Where none was bound yet, the store is of before that.
  const { boundKey: _, ...unbound } = item;
  assert.equal(judgeKeypair(by, unbound, { ...attempt, ...as }).kind, "admitted");
});

test("a lost answer comes again for the same key and the same join state alone", () => {
  const certificateKey = "certificate-5";
  assert.equal(judge({ as: { certificateKey, state: state(4) } }).kind, "repeat");
  assert.equal(judge({ as: { certificateKey, state: state(3) } }).kind, "cloned");
  assert.equal(judge({ as: { state: state(4) } }).kind, "cloned");
  assert.equal(judge({ as: { certificateKey } }).kind, "admitted");
});

test("a machine that shares an insecure token gets its lost answer, too", () => {
  const by = rules("insecure");
  const member = { instance: "j", generation: 4, stored: { ...stored, instance: "j" } };
  const same = judge({ by, as: { certificateKey: "certificate-5", state: undefined, member } });
  assert.ok(same.kind === "admitted");
  assert.deepEqual([same.member?.instance, same.member?.generation], ["j", 4]);
  const other = judge({ by, as: { certificateKey: "other", state: undefined, member } });
  assert.ok(other.kind === "admitted" && other.member === undefined);
});

test("a certificate of an instance that was given up is no way around the limit", () => {
  const member = { instance: "old", generation: 5, stored: { ...stored, instance: "old" } };
  const verdict = judge({ as: { member } });
  assert.ok(verdict.kind === "refused");
  assert.match(verdict.found, /limit/);
});

test("after a restore a certificate counts as far as the join state vouches for it", () => {
  const by = rules("relaxed");
  const member = (instance: string, generation: number, known: boolean) => {
    const of = known ? { ...stored, instance } : undefined;
    const as = { state: state(9), member: { instance, generation, stored: of } };
    const verdict = judge({ by, as });
    assert.ok(verdict.kind === "admitted");
    return verdict.member?.instance;
  };
  assert.equal(member("i", 8, true), "i");
  assert.equal(member("i", 4, true), undefined, "older than the store");
  assert.equal(member("i", 8, false), "i");
  assert.equal(member("unheard-of", 8, false), undefined);
});

test("who registers late is not asked to replace the key that it has just made", () => {
  const by = rules("standard", { rotateAfter: past });
  const fresh: KeypairItem = {
    uid: "u",
    recoveries: 0,
    sequence: 0,
    secret: "the-secret",
    secretEpoch: "first",
  };
  const as = { ...attempt, state: undefined, member: undefined, secret: "the-secret" };
  const verdict = judgeKeypair(by, fresh, as);
  assert.ok(verdict.kind === "admitted");
  assert.equal(verdict.next.secret, undefined);
  assert.equal(
    judgeKeypair(by, verdict.next, {
      ...attempt,
      state: state(1, { id: verdict.next.state! }),
      certificateKey: "another",
      member: { instance: "i", generation: 1, stored: { ...stored, generation: 1 } },
      // The item has no instance yet: that is written by whoever carries the verdict out.
    }).kind,
    "refused",
    "the recovery limit, and no rotation",
  );
});

test("a key that was rotated away does not come back", () => {
  const by = rules("standard", { rotateAfter: past });
  assert.equal(judge({ by }).kind, "rotate");
  assert.equal(judge({ by, as: { nextKey: key } }).kind, "rotate", "the same key is no other");
  const back = judge({ by, as: { nextKey: third }, of: { previousKey: third } });
  assert.ok(back.kind === "refused");
  assert.match(back.found, /rotated away/);
  const verdict = judge({ by, as: { nextKey } });
  assert.ok(verdict.kind === "admitted" && verdict.rotated);
  assert.deepEqual([verdict.next.boundKey, verdict.next.previousKey], [nextKey, key]);
});

const pair = createBoundKey();
const subject: ProofSubject = {
  cluster: "c",
  token: "t",
  challenge: "n",
  publicKey: generateKeyPair().publicKey,
};

test("a proof is of its own type, and says all that it is for", async () => {
  const good = await signProof(pair, subject);
  await verifyProof(good, pair.publicKey, subject);
  const claims = JSON.parse(Buffer.from(good.split(".")[1]!, "base64url").toString());
  const names = ["aud", "sub", "purpose", "nonce", "bound_key", "certificate_key"];
  assert.deepEqual(Object.keys(claims), names);
  assert.deepEqual([claims.aud, claims.purpose, claims.nonce], ["c", "join", "n"]);
  const sign = async (change: object, typ = "postern-join-proof+jwt") =>
    await new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: "EdDSA", typ })
      .sign(await importPKCS8(pair.privateKey, "EdDSA"));
  await verifyProof(await sign({}), pair.publicKey, subject);
  const bad = [
    await sign({}, "JWT"),
    await sign({}, "postern-join-state+jwt"),
    await sign({ more: "than asked" }),
    ...await Promise.all(Object.keys(claims).map((name) => sign({ [name]: "another" }))),
    ...await Promise.all(Object.keys(claims).map((name) => sign({ [name]: undefined }))),
  ];
  for (const proof of bad) {
    await assert.rejects(verifyProof(proof, pair.publicKey, subject), { code: "JOIN_REFUSED" });
  }
  // What vouches for another key is no proof for a plain join, and the other way around.
  const rotating = { ...subject, nextKey };
  const vouching = await signProof(pair, rotating);
  assert.match(Buffer.from(vouching.split(".")[1]!, "base64url").toString(), /"purpose":"rotate"/);
  await assert.rejects(verifyProof(vouching, pair.publicKey, subject), { code: "JOIN_REFUSED" });
  await assert.rejects(verifyProof(good, pair.publicKey, rotating), { code: "JOIN_REFUSED" });
});

for (
  const { kind, publicKey } of [{ kind: "Ed25519", ...pair }, {
    kind: "P-256",
    ...generateKeyPair(),
  }]
) {
  test(`a line of authorized_keys is read in its one spelling: ${kind}`, () => {
    const line = toAuthorizedKey(publicKey);
    const [type = "", base64 = ""] = line.split(" ");
    for (const given of [line, `  ${line}\n`, `${line} somebody@somewhere`]) {
      assert.equal(toAuthorizedKey(fromAuthorizedKey(given)), line);
    }
    const bytes = Buffer.from(base64, "base64");
    const more = Buffer.concat([bytes, Buffer.from([0, 0, 0, 1, 7])]).toString("base64");
    const cut = bytes.subarray(0, -1).toString("base64");
    const off = Buffer.from(bytes);
    off.writeUInt32BE(0xffffffff, 0);
    const spelled = base64.endsWith("=")
      ? base64.replace(
        /(.)=/,
        (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=`,
      )
      : `${base64}=`;
    for (const bad of [more, cut, off.toString("base64"), spelled, "", "!"]) {
      assert.throws(() => fromAuthorizedKey(`${type} ${bad}`), { code: "BAD_REQUEST" }, bad);
    }
    const other = type === "ssh-ed25519" ? "ecdsa-sha2-nistp256" : "ssh-ed25519";
    assert.throws(() => fromAuthorizedKey(`${other} ${base64}`), { code: "BAD_REQUEST" });
  });
}

test("a point that is not on the curve is no key", () => {
  const [type = "", base64 = ""] = toAuthorizedKey(generateKeyPair().publicKey).split(" ");
  const bytes = Buffer.from(base64, "base64");
  bytes[bytes.length - 1]! ^= 1;
  const line = `${type} ${bytes.toString("base64")}`;
  assert.throws(() => fromAuthorizedKey(line), { code: "BAD_REQUEST" });
});
