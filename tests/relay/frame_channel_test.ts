import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { Channel, type ChannelHandlers, MAX_UNWRITTEN_BYTES } from "../../relay/wire/channel.ts";
import { encodeFrame, FrameDecoder, FrameType } from "../../relay/wire/frame.ts";
import type { End } from "../../relay/wire/handshake.ts";
import { Inbox } from "../../relay/wire/inbox.ts";
import { DEFAULT_WINDOW, Outbox } from "../../relay/wire/outbox.ts";
import { duplexPair } from "../support/duplex_pair.ts";
import { test } from "../support/harness.ts";

const HELLO = { session: "s", app: "a", client: "test", window: DEFAULT_WINDOW };

/** What one end has heard, with a way to wait for it. */
class Ear implements ChannelHandlers {
  readonly messages: string[] = [];
  readonly closed = Promise.withResolvers<Error | undefined>();
  ended: End | undefined;
  /** Passes messages on by itself. */
  eager = true;
  channel!: Channel;
  #waiting: (() => void)[] = [];

  onGreeting() {}
  onMessage(body: Buffer) {
    this.messages.push(body.toString());
    if (this.eager) this.channel.passedOn();
    this.#wake();
  }
  onEnd(end: End) {
    this.ended = end;
  }
  onClose(error: Error | undefined) {
    this.closed.resolve(error);
  }
  async until(ready: () => boolean) {
    while (!ready()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function pair(options: { outbox?: Outbox; inbox?: Inbox; keepalive?: number } = {}) {
  const [near, far] = duplexPair();
  const [bridge, agent] = [new Ear(), new Ear()];
  const { outbox, inbox, keepalive } = options;
  bridge.channel = new Channel(near, bridge, {
    ...(outbox && { outbox }),
    ...(keepalive && { keepalive }),
  });
  agent.channel = new Channel(far, agent, { ...(inbox && { inbox }) });
  bridge.channel.greet(FrameType.HELLO, HELLO);
  agent.channel.greet(FrameType.WELCOME, { session: "s", window: DEFAULT_WINDOW });
  return { bridge, agent, near, far };
}

/** One channel against a peer that the test plays byte by byte. */
function against(frames: Buffer[]) {
  const [near, far] = duplexPair();
  const ear = new Ear();
  ear.channel = new Channel(near, ear);
  const heard: { type: number; seq: number; body: string }[] = [];
  const decoder = new FrameDecoder();
  far.on("data", (chunk: Buffer) =>
    decoder.decode(
      chunk,
      ({ type, seq, body }) => heard.push({ type, seq, body: body.toString() }),
    ));
  for (const frame of frames) far.write(frame);
  return { ear, far: far as Duplex, heard };
}

const greeting = encodeFrame(FrameType.HELLO, 0, Buffer.from(JSON.stringify(HELLO)));

test("Channel carries messages both ways in order and closes with END", async () => {
  const { bridge, agent } = pair();
  const sent = Array.from({ length: 3000 }, (_, i) => `message ${i}`);
  for (const text of sent) {
    bridge.channel.send(Buffer.from(text));
    agent.channel.send(Buffer.from(text.toUpperCase()));
  }
  bridge.channel.end({ code: "CLOSED", message: "done" });
  assert.equal(await agent.closed.promise, undefined);
  assert.equal(await bridge.closed.promise, undefined);
  assert.deepEqual(agent.messages, sent);
  assert.deepEqual(agent.ended, { code: "CLOSED", message: "done" });
});

test("Channel delivers everything that was sent before END, however large", async () => {
  const { bridge, agent } = pair();
  const large = Buffer.alloc(10 * 1024 * 1024, "large ");
  for (const body of [large, Buffer.from("small"), large]) bridge.channel.send(body);
  bridge.channel.end({ code: "CLOSED", message: "done" });
  assert.equal(await agent.closed.promise, undefined);
  assert.deepEqual(agent.messages.map(({ length }) => length), [large.length, 5, large.length]);
});

test("Channel stops at the window, and goes on when messages are passed on", async () => {
  const window = { bytes: 1000, messages: 8 };
  const outbox = new Outbox();
  outbox.window = window;
  const { bridge, agent } = pair({ outbox, inbox: new Inbox(window) });
  agent.eager = false;
  for (let i = 0; i < 20; i++) bridge.channel.send(Buffer.from(`${i}`));
  assert.equal(bridge.channel.congested, true);
  await agent.until(() => agent.messages.length === 8);
  // Were the window not kept, the rest would be here before the answer to this.
  agent.channel.send(Buffer.from("echo"));
  await bridge.until(() => bridge.messages.length === 1);
  assert.equal(agent.messages.length, 8);

  agent.eager = true;
  for (let i = 0; i < 8; i++) agent.channel.passedOn();
  await agent.until(() => agent.messages.length === 20);
  await bridge.channel.room();
  assert.equal(bridge.channel.congested, false);
  bridge.channel.destroy();
  await agent.closed.promise;
});

test("Channel sends a message larger than the window when nothing else is under way", async () => {
  const window = { bytes: 10, messages: 8 };
  const outbox = new Outbox();
  outbox.window = window;
  const { bridge, agent } = pair({ outbox, inbox: new Inbox(window) });
  bridge.channel.send(Buffer.from("first"));
  bridge.channel.send(Buffer.alloc(100, "x"));
  await agent.until(() => agent.messages.length === 2);
  bridge.channel.destroy();
  await agent.closed.promise;
});

test("Channel ends a peer that sends beyond the window", async () => {
  const body = Buffer.alloc(3 * 1024 * 1024);
  const { ear, heard } = against([
    greeting,
    encodeFrame(FrameType.MESSAGE, 1, body),
    encodeFrame(FrameType.MESSAGE, 2, body),
  ]);
  ear.eager = false;
  const error = await ear.closed.promise;
  assert.equal((error as { code?: string }).code, "LIMIT_EXCEEDED");
  assert.match(heard.find(({ type }) => type === FrameType.END)!.body, /"LIMIT_EXCEEDED"/);
});

const misbehaviour: [string, Buffer[]][] = [
  ["a message before the greeting", [encodeFrame(FrameType.MESSAGE, 1)]],
  ["a second greeting", [greeting, greeting]],
  ["a message out of order", [greeting, encodeFrame(FrameType.MESSAGE, 2)]],
  ["a message twice", [
    greeting,
    encodeFrame(FrameType.MESSAGE, 1),
    encodeFrame(FrameType.MESSAGE, 1),
  ]],
  ["an ACK for what was not sent", [greeting, encodeFrame(FrameType.ACK, 1)]],
  ["an END that is not JSON", [greeting, encodeFrame(FrameType.END, 0, Buffer.from("bye"))]],
  ["garbage", [Buffer.from("SSH-2.0-OpenSSH_9.9 and so on\r\n")]],
];

for (const [what, frames] of misbehaviour) {
  test(`Channel ends a peer that sends ${what}, and tells it`, async () => {
    const { ear, heard } = against(frames);
    const error = await ear.closed.promise;
    assert.equal((error as { code?: string }).code, "PROTOCOL");
    const end = heard.find(({ type }) => type === FrameType.END);
    assert.equal(JSON.parse(end!.body).code, "PROTOCOL");
  });
}

test("Channel answers PING with its number", async () => {
  const { ear, far, heard } = against([greeting, encodeFrame(FrameType.PING, 42)]);
  while (heard.length === 0) await new Promise((resolve) => far.once("data", resolve));
  assert.deepEqual(heard.map(({ type, seq }) => [type, seq]), [[FrameType.PONG, 42]]);
  ear.channel.destroy();
  await ear.closed.promise;
});

test("Channel acknowledges what was passed on, even when it has nothing to say", async () => {
  const { ear, far, heard } = against([greeting, encodeFrame(FrameType.MESSAGE, 1)]);
  await ear.until(() => ear.messages.length === 1);
  ear.channel.greet(FrameType.WELCOME, { session: "s", window: DEFAULT_WINDOW });
  while (heard.length < 2) await new Promise((resolve) => far.once("data", resolve));
  const types = heard.map(({ type, seq }) => [type, seq]);
  assert.deepEqual(types, [[FrameType.WELCOME, 0], [FrameType.ACK, 1]], "after the greeting");
  ear.channel.destroy();
  await ear.closed.promise;
});

test("Channel hears that a peer lives which has not greeted yet", async () => {
  const { ear, far } = against([]);
  ear.channel.greet(FrameType.HELLO, HELLO);
  far.write(encodeFrame(FrameType.PONG, 1));
  far.write(greeting);
  far.write(encodeFrame(FrameType.MESSAGE, 1, Buffer.from("{}")));
  await ear.until(() => ear.messages.length === 1);
  ear.channel.destroy();
  await ear.closed.promise;
});

test("Channel tells a silent close from an END", async () => {
  const { bridge, agent } = pair();
  bridge.channel.destroy();
  assert.equal(((await agent.closed.promise) as { code?: string }).code, "UNREACHABLE");
});

test("Channel gives up a peer that has stopped answering, and not one that is alive", async () => {
  const [near, far] = duplexPair();
  const ear = new Ear();
  ear.channel = new Channel(near, ear, { keepalive: 5 });
  far.write(greeting);
  const pings: number[] = [];
  const decoder = new FrameDecoder();
  far.on("data", (chunk: Buffer) =>
    decoder.decode(chunk, ({ type, seq }) => {
      if (type !== FrameType.PING) return;
      pings.push(seq);
      // Answers the first ten, then falls silent.
      if (seq <= 10) far.write(encodeFrame(FrameType.PONG, seq));
    }));
  const error = await ear.closed.promise;
  assert.equal((error as { code?: string }).code, "UNREACHABLE");
  assert.deepEqual(pings.slice(0, 11), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

for (const waiting of ["acknowledgement", "answer"] as const) {
  test(`Channel gives up a silent peer sooner while it waits for an ${waiting}`, async () => {
    const gone: string[] = [];
    const channel = async (name: string, awaits: boolean) => {
      const [near, far] = duplexPair();
      const ear = Object.assign(new Ear(), { awaits: () => awaits });
      ear.channel = new Channel(near, ear, { keepalive: 5 });
      far.write(greeting);
      far.resume();
      if (name === "acknowledgement") {
        ear.channel.greet(FrameType.WELCOME, { session: "s", window: DEFAULT_WINDOW });
        ear.channel.send(Buffer.from("{}"));
      }
      await ear.closed.promise;
      gone.push(name);
    };
    await Promise.all([channel("nothing", false), channel(waiting, waiting === "answer")]);
    assert.deepEqual(gone, [waiting, "nothing"]);
  });
}

/** A channel to a peer that speaks and does not read, until it is told to. */
function toDeaf() {
  let written = 0;
  let unwritten: (() => void) | undefined;
  let reading = false;
  const stream: Duplex = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written += chunk.length;
      if (reading) done();
      else unwritten = done;
    },
  });
  const ear = new Ear();
  ear.channel = new Channel(stream, ear);
  return {
    ear,
    stream,
    get written() {
      return written;
    },
    read() {
      reading = true;
      unwritten?.();
    },
    say: async (type: number, seq: number, body: Buffer = Buffer.alloc(0)) => {
      stream.push(encodeFrame(type, seq, body));
      // Until it was heard, and what follows from it is done.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("Channel keeps no more than a window for a peer that acknowledges what it does not read", async () => {
  const deaf = toDeaf();
  const { ear: { channel }, stream } = deaf;
  channel.greet(FrameType.WELCOME, { session: "s", window: DEFAULT_WINDOW });
  await deaf.say(FrameType.HELLO, 0, greeting.subarray(16));
  const body = Buffer.alloc(64 * 1024);
  let sent = 0;
  const bound = DEFAULT_WINDOW.bytes + 2 * MAX_UNWRITTEN_BYTES;
  for (let round = 1; round <= 400; round++) {
    for (; !channel.congested && sent < 4000; sent++) channel.send(body);
    await new Promise((resolve) => setImmediate(resolve));
    // Never for more than was sent, or the session would end and prove nothing.
    await deaf.say(FrameType.ACK, Math.min(round, MAX_UNWRITTEN_BYTES / body.length - 1));
    assert.ok(channel.held + stream.writableLength < bound, `${channel.held} in round ${round}`);
  }
  assert.equal(channel.congested, true);
  deaf.read();
  while (stream.writableLength > 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(deaf.written > DEFAULT_WINDOW.bytes, "it all comes once the peer reads");
  channel.destroy();
});

test("Channel owes a peer that does not read its PONGs one at most", async () => {
  const deaf = toDeaf();
  const { ear: { channel }, stream } = deaf;
  channel.greet(FrameType.WELCOME, { session: "s", window: DEFAULT_WINDOW });
  await deaf.say(FrameType.HELLO, 0, greeting.subarray(16));
  channel.send(Buffer.alloc(2 * MAX_UNWRITTEN_BYTES));
  await deaf.say(FrameType.PING, 0);
  const before = stream.writableLength;
  for (let ping = 1; ping <= 1000; ping++) await deaf.say(FrameType.PING, ping);
  assert.equal(stream.writableLength, before);
  channel.destroy();
});

test("Channel keeps no more than its own window, whatever a greeting grants", () => {
  const outbox = new Outbox();
  outbox.window = { bytes: Number.MAX_SAFE_INTEGER, messages: Number.MAX_SAFE_INTEGER };
  for (let i = 0; i < DEFAULT_WINDOW.messages; i++) outbox.append(Buffer.alloc(1));
  assert.equal(outbox.full, true);
});
