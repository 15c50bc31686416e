import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { LineSplitter } from "../../relay/wire/line_splitter.ts";
import { test } from "../support/harness.ts";

function split(chunks: readonly Buffer[], limit?: number): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter({
    onLine: (line) => lines.push(line.toString("latin1")),
    onOversized: ({ head, tail, bytes }) =>
      lines.push(`!${bytes} ${head.toString("latin1")} ${tail.toString("latin1")}`),
  }, limit === undefined ? {} : { limit });
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

test("LineSplitter splits at LF alone and drops one CR before it", () => {
  const text = "a\nb\r\nc\rd\u2028e\u2029f\n\r\r\n\ng";
  assert.deepEqual(
    split([Buffer.from(text)]).map((line) => Buffer.from(line, "latin1").toString()),
    ["a", "b", "c\rd\u2028e\u2029f", "\r", "", "g"],
  );
});

test("LineSplitter gives the same lines however the bytes are cut", () => {
  const bytes = fc.array(fc.constantFrom("a", "b", "\n", "\r"), { maxLength: 60 });
  fc.assert(fc.property(bytes, fc.array(fc.integer({ min: 1, max: 9 })), (letters, sizes) => {
    const whole = Buffer.from(letters.join(""));
    const chunks: Buffer[] = [];
    for (let at = 0, turn = 0; at < whole.length; turn++) {
      const size = sizes[turn] ?? 3;
      chunks.push(whole.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(split(chunks, 8), split([whole], 8));
  }));
});

test("LineSplitter skips a line beyond the limit, keeps its ends, and reads on", () => {
  const long = Buffer.from("head" + "x".repeat(20_000) + "tail\nnext\n");
  const chunks: Buffer[] = [];
  for (let at = 0; at < long.length; at += 700) chunks.push(long.subarray(at, at + 700));
  const [oversized, next] = split(chunks, 10_000);
  assert.equal(next, "next");
  const [bytes, head, tail] = oversized!.split(" ");
  assert.equal(bytes, "!20008");
  assert.ok(head!.startsWith("headx") && head!.length === 4096);
  assert.ok(tail!.endsWith("xtail") && tail!.length === 4096);
});

test("LineSplitter takes a line of exactly the limit, and refuses one byte more", () => {
  assert.deepEqual(split([Buffer.from("12345678\n")], 8), ["12345678"]);
  assert.deepEqual(split([Buffer.from("123456789\n")], 8), ["!9 123456789 123456789"]);
});
