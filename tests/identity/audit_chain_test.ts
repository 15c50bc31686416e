// Whatever is done to a chain after it was written is found, and found at its place.
import assert from "node:assert/strict";
import fc from "fast-check";
import { emptyChain, type Head, nextRecord, signHead } from "../../identity/audit/chain.ts";
import { verifyRecords } from "../../identity/audit/verify.ts";
import { createSigningKey } from "../../identity/keys.ts";
import { test } from "../support/harness.ts";

const { privateKey, publicKey } = createSigningKey();
const TIME = new Date("2026-11-23T12:00:00Z");

function chainOf(count: number, writer = "ab".repeat(16)) {
  const texts: string[] = [];
  let head: Head = emptyChain(writer);
  for (let n = 1; n <= count; n++) {
    const next = nextRecord(
      head,
      JSON.stringify({
        type: "t",
        code: "c",
        time: TIME.toISOString(),
        uid: `${writer}-${n}`,
        cluster_name: "c",
        text: "x".repeat(n % 7),
      }),
    );
    texts.push(next.text);
    head = next.head;
  }
  return { texts, head: signHead(head, TIME, privateKey) };
}

const check = (
  texts: readonly string[],
  heads: Parameters<typeof verifyRecords>[1]["heads"] = [],
) => verifyRecords(texts, { heads, publicKey });

test("a chain that nobody has touched holds, also beside another one and after older records", async () => {
  const [a, b] = [chainOf(20), chainOf(10, "cd".repeat(16))];
  const mixed = [
    '{"type":"old","uid":"1"}',
    ...a.texts.slice(0, 5),
    ...b.texts,
    ...a.texts.slice(5),
  ];
  const report = await check(mixed, [a.head, b.head]);
  assert.deepEqual(report.breaks, []);
  assert.equal(report.unchained, 1);
  assert.deepEqual(report.chains.map(({ records, signedTo }) => [records, signedTo]), [[20, 20], [
    10,
    10,
  ]]);
});

const LENGTH = 12;
const index = fc.nat({ max: LENGTH - 1 });
/** Each returns what was made of the records and where, from 1, it must be found. */
const tamperings: Record<
  string,
  fc.Arbitrary<{ texts: string[]; near: number[]; kinds: string[] }>
> = {
  "a changed letter": fc.tuple(index, fc.nat()).map(([at, seed]) => {
    const { texts } = chainOf(LENGTH);
    const text = texts[at]!;
    // Within the event itself: what is changed in a record's place shows as another break.
    const place = seed % text.indexOf(',"chain":');
    const letter = text[place] === "x" ? "y" : "x";
    texts[at] = text.slice(0, place) + letter + text.slice(place + 1);
    return { texts, near: [at + 1, at + 2], kinds: ["changed", "unreadable", "removed", "moved"] };
  }),
  "a record taken out": index.map((at) => {
    const { texts } = chainOf(LENGTH);
    texts.splice(at, 1);
    return { texts, near: [at + 1, at], kinds: ["removed", "cut"] };
  }),
  "two records swapped": fc.nat({ max: LENGTH - 2 }).map((at) => {
    const { texts } = chainOf(LENGTH);
    [texts[at], texts[at + 1]] = [texts[at + 1]!, texts[at]!];
    return { texts, near: [at + 1], kinds: ["removed"] };
  }),
  "a record of another chain put in": index.map((at) => {
    const { texts } = chainOf(LENGTH);
    texts.splice(at + 1, 0, '{"type":"t","uid":"forged"}');
    return { texts, near: [at + 2], kinds: ["moved"] };
  }),
  "a record written twice": index.map((at) => {
    const { texts } = chainOf(LENGTH);
    texts.splice(at + 1, 0, texts[at]!);
    return { texts, near: [at + 2], kinds: ["moved"] };
  }),
  "the end cut off": fc.integer({ min: 0, max: LENGTH - 1 }).map((count) => {
    const { texts } = chainOf(LENGTH);
    return { texts: texts.slice(0, count), near: [count], kinds: ["cut"] };
  }),
  "the beginning cut off": fc.integer({ min: 1, max: LENGTH - 1 }).map((count) => {
    const { texts } = chainOf(LENGTH);
    return { texts: texts.slice(count), near: [1], kinds: ["removed"] };
  }),
};
for (const [what, tampering] of Object.entries(tamperings)) {
  test(`${what} is found, and found at its place`, async () => {
    const { head } = chainOf(LENGTH);
    await fc.assert(
      fc.asyncProperty(tampering, async ({ texts, near, kinds }) => {
        const { breaks: [first] } = await check(texts, [head]);
        assert.ok(first, "nothing was found");
        assert.ok(kinds.includes(first.kind), `${first.kind}: ${first.message}`);
        assert.ok(near.includes(first.record), `found at ${first.record}, not at ${near}`);
      }),
      { numRuns: 60 },
    );
  });
}

test("a chain that was written anew from some point is found out by the signed head", async () => {
  const { texts, head } = chainOf(LENGTH);
  const forged = chainOf(LENGTH).texts.map((text) => text.replaceAll("xx", "yy"));
  let end: Head = emptyChain("ab".repeat(16));
  const rewritten = forged.map((text) => {
    const { chain: _, ...event } = JSON.parse(text);
    const next = nextRecord(end, JSON.stringify(event));
    end = next.head;
    return next.text;
  });
  assert.notDeepEqual(rewritten, texts);
  const { breaks } = await check(rewritten, [head]);
  assert.deepEqual(breaks.map(({ kind }) => kind), ["changed"]);
  const other = signHead(end, TIME, createSigningKey().privateKey);
  const resigned = await check(rewritten, [other]);
  assert.deepEqual(resigned.breaks.map(({ kind }) => kind), ["bad_signature"]);
  // Without a key nothing is claimed about heads.
  const unsigned = await verifyRecords(rewritten, { heads: [head], publicKey: undefined });
  assert.deepEqual(unsigned.chains[0]?.signedTo, undefined);
});
