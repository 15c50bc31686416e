import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import fc from "fast-check";
import { RelayError } from "../../relay/error.ts";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameType,
  HEADER_BYTES,
} from "../../relay/wire/frame.ts";
import { test } from "../support/harness.ts";

function decodeAll(chunks: Buffer[], maxMessage?: number): Frame[] {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(maxMessage === undefined ? {} : { maxMessage });
  for (const chunk of chunks) decoder.decode(chunk, (frame) => frames.push(frame));
  return frames;
}

function refusal(chunks: Buffer[], maxMessage?: number): string {
  try {
    decodeAll(chunks, maxMessage);
  } catch (error) {
    assert.ok(error instanceof RelayError);
    return error.code;
  }
  return "none";
}

test("a frame is type, three zero bytes, length and number in network order, then the body", () => {
  const frame = encodeFrame(FrameType.MESSAGE, 0x1_0000_0002, Buffer.from("{}"));
  assert.equal(frame.toString("hex"), "03000000" + "00000002" + "0000000100000002" + "7b7d");
});

test("the types of postern/1 have their frozen numbers", () => {
  assert.deepEqual({ ...FrameType }, {
    HELLO: 1,
    WELCOME: 2,
    MESSAGE: 3,
    ACK: 4,
    END: 5,
    PING: 6,
    PONG: 7,
    REPEATABLE: 0x80,
  });
});

test("FrameDecoder gives the same frames however the bytes are cut", () => {
  const frame = fc.record({
    type: fc.constantFrom(1, 2, 3, 4, 5, 6, 7),
    seq: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    body: fc.uint8Array({ maxLength: 200 }),
  });
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, sizes) => {
      const bytes = Buffer.concat(
        frames.map(({ type, seq, body }) => encodeFrame(type, seq, body)),
      );
      const chunks: Buffer[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(
        decodeAll(chunks).map(({ type, seq, body }) => ({ type, seq, body: [...body] })),
        frames.map(({ type, seq, body }) => ({ type, seq, body: [...body] })),
      );
    }),
  );
});

test("FrameDecoder refuses a body beyond the limit before any of it arrives", () => {
  const header = encodeFrame(FrameType.MESSAGE, 1, Buffer.alloc(101)).subarray(0, HEADER_BYTES);
  assert.equal(refusal([header], 100), "LIMIT_EXCEEDED");
  assert.equal(refusal([header], 101), "none");
});

test("FrameDecoder holds controls to 64 KiB, whatever messages may have", () => {
  const header = encodeFrame(FrameType.HELLO, 0, Buffer.alloc(65_537)).subarray(0, HEADER_BYTES);
  assert.equal(refusal([header]), "LIMIT_EXCEEDED");
});

test("FrameDecoder keeps no more than what arrived of an announced body", () => {
  const decoder = new FrameDecoder();
  const before = process.memoryUsage().arrayBuffers;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(FrameType.MESSAGE, 0);
  header.writeUInt32BE(32 * 1024 * 1024, 4);
  decoder.decode(Buffer.concat([header, Buffer.alloc(10)]), () => assert.fail("nothing is whole"));
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
  assert.equal(decoder.partial, true);
});

for (const type of [0, 8, 0x7f]) {
  test(`FrameDecoder ends on the unknown type ${type}`, () => {
    assert.equal(refusal([encodeFrame(type)]), "PROTOCOL");
  });
}

test("FrameDecoder skips unknown optional types and reads on", () => {
  const frames = decodeAll([
    encodeFrame(0x81, 7, Buffer.from("later")),
    encodeFrame(0xff),
    encodeFrame(FrameType.PING, 3),
  ]);
  assert.deepEqual(frames.map(({ type, seq }) => [type, seq]), [[FrameType.PING, 3]]);
});

test("FrameDecoder refuses reserved bytes that are set, and numbers that no longer count", () => {
  const reserved = encodeFrame(FrameType.PING);
  reserved[3] = 1;
  assert.equal(refusal([reserved]), "PROTOCOL");
  const absurd = encodeFrame(FrameType.PING);
  absurd.writeUInt32BE(0x200000, 8);
  assert.equal(refusal([absurd]), "PROTOCOL");
});

test("FrameDecoder refuses what is plainly another protocol", () => {
  for (const text of ["GET / HTTP/1.1\r\nHost: x\r\n", '{"jsonrpc":"2.0","method":"ping"}\n']) {
    assert.equal(refusal([Buffer.from(text)]), "PROTOCOL");
  }
});

test("FrameDecoder takes a body of ten megabytes in small pieces, each byte once", () => {
  const body = Buffer.alloc(10 * 1024 * 1024, "ten megabytes ");
  const bytes = encodeFrame(FrameType.MESSAGE, 1, body);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 1500) chunks.push(bytes.subarray(at, at + 1500));
  const [frame] = decodeAll(chunks);
  assert.ok(frame!.body.equals(body));
});
