import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { EventParser } from "../../relay/agent/upstream/http/event_parser.ts";
import { Budget } from "../../relay/agent/upstream/http/limits.ts";
import { test } from "../support/harness.ts";

/** What a parser makes of chunks. */
function parse(chunks: readonly Buffer[], { messageBytes = 1000, bufferedBytes = 10_000 } = {}) {
  const heard: unknown[] = [];
  const budget = new Budget(bufferedBytes);
  const parser = new EventParser({
    onEvent: ({ type, data }) => heard.push({ type, data: data.toString("utf8") }),
    onOversized: ({ head, tail, bytes }) =>
      heard.push({ head: head.toString("latin1"), tail: tail.toString("latin1"), bytes }),
    onId: (id) => heard.push({ id }),
    onRetry: (retry) => heard.push({ retry }),
  }, { messageBytes, budget });
  for (const chunk of chunks) parser.push(chunk);
  return { heard, parser, budget };
}

const read = (text: string, limits = {}) => parse([Buffer.from(text)], limits).heard;

test("an event is its data lines, joined, at the empty line behind them", () => {
  assert.deepEqual(read("data: one\n\ndata:two\r\n\r\ndata: a\rdata: b\r\r"), [
    { type: "message", data: "one" },
    { type: "message", data: "two" },
    { type: "message", data: "a\nb" },
  ]);
});

test("names, ids, retry times and comments are told apart, and an unfinished event is none", () => {
  assert.deepEqual(
    read(
      "\ufeffevent: endpoint\ndata: /x\n\n: comment\nid: 7\nretry: 250\ndata\n\nretry: x\nid\ndata: lost",
    ),
    [{ type: "endpoint", data: "/x" }, { retry: 250 }, { id: "7" }],
  );
});

test("bytes that are no UTF-8 reach the reader as they came", () => {
  let data: Buffer | undefined;
  const parser = new EventParser({
    onEvent: (event) => data = event.data,
    onOversized: () => {},
    onId: () => {},
    onRetry: () => {},
  }, { messageBytes: 100, budget: new Budget(100) });
  const bytes = Buffer.from([0xff, 0x22, 0xc3, 0x28, 0xe2, 0x80, 0xa8]);
  parser.push(Buffer.concat([Buffer.from("data: "), bytes, Buffer.from("\n\n")]));
  assert.deepEqual(data, bytes);
});

test("however a stream is cut, it is read like the reference parser reads it", () => {
  const piece = fc.constantFrom(
    "data: x\n",
    'data:  {"a":1.0}\r\n',
    "data\n",
    "data: é 😀\r",
    "event: other\n",
    "id: 5\n",
    "id:\n",
    "retry: 30\n",
    ": c\n",
    "nonsense\n",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 20 }),
      fc.array(fc.nat(200), { maxLength: 6 }),
      (pieces, cuts) => {
        const text = pieces.join("") + "\n\n";
        const expected: { type: string; data: string }[] = [];
        createParser({
          onEvent: ({ event = "message", data }) => {
            // An event without data says nothing here.
            if (data !== "") expected.push({ type: event, data });
          },
        }).feed(text);
        const bytes = Buffer.from(text);
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((
          a,
          b,
        ) => a - b);
        const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
        const { heard, budget } = parse(chunks);
        assert.deepEqual(heard.filter((one) => "data" in (one as object)), expected);
        assert.equal(budget.used, 0);
      },
    ),
    { numRuns: 2000 },
  );
});

test("an event beyond the limit is skipped to its end, its ends are kept, the next one is read", () => {
  for (const size of [11, 30, 5000]) {
    const big = `{"id":1,${"x".repeat(size)}}`;
    for (const cut of [1, 7, 1000]) {
      const bytes = Buffer.from(`id: 3\ndata: ${big}\n\ndata: next\n\n`);
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
      const { heard, budget } = parse(chunks, { messageBytes: 12 });
      assert.deepEqual(heard, [
        { id: "3" },
        { head: big.slice(0, 4096), tail: big.slice(-4096), bytes: big.length },
        { type: "message", data: "next" },
      ]);
      assert.equal(budget.used, 0);
    }
  }
});

test("many short lines of one event count together", () => {
  const { heard } = parse([Buffer.from("data: 12345\n".repeat(4) + "\ndata: next\n\n")], {
    messageBytes: 20,
  });
  assert.equal(heard.length, 2);
  assert.equal((heard[0] as { bytes: number }).bytes > 20, true);
  assert.deepEqual(heard[1], { type: "message", data: "next" });
});

test("a line without end keeps its two ends in memory and nothing else", () => {
  const chunk = Buffer.alloc(65_536, "x");
  const { parser, budget } = parse([Buffer.from("data: "), ...Array(200).fill(chunk)], {
    messageBytes: 100_000,
    bufferedBytes: 150_000,
  });
  assert.equal(parser.skipped > 100 * 65_536, true);
  assert.equal(budget.used, 0);
});

test("parsers share a budget: who does not fit any more skips, and what ends gives back", () => {
  const budget = new Budget(100);
  const heard: string[] = [];
  const make = (name: string) =>
    new EventParser({
      onEvent: ({ data }) => heard.push(`${name} ${data.length}`),
      onOversized: ({ bytes }) => heard.push(`${name} too large: ${bytes}`),
      onId: () => {},
      onRetry: () => {},
    }, { messageBytes: 1000, budget });
  const [a, b] = [make("a"), make("b")];
  a.push(Buffer.from("data: " + "x".repeat(80)));
  b.push(Buffer.from("data: " + "y".repeat(40)));
  b.push(Buffer.from("\n\n"));
  a.push(Buffer.from("\n\n"));
  assert.deepEqual(heard, ["b too large: 40", "a 80"]);
  b.push(Buffer.from("data: " + "y".repeat(40)));
  assert.equal(budget.used, 46);
  b.end();
  assert.equal(budget.used, 0);
});
