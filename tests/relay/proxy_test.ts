import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import process from "node:process";
import tls from "node:tls";
import { generateKeyPair, type HostClaims, silentLog } from "../../identity/mod.ts";
import { createCa, issueCertificate } from "../../identity/x509/mod.ts";
import { RelayError } from "../../relay/error.ts";
import {
  type Accept,
  type ListenerLimits,
  type ListenerOptions,
  startListener,
} from "../../relay/proxy/mod.ts";
import { test, type TestContext } from "../support/harness.ts";

async function listen(
  { cleanup }: TestContext,
  route: ListenerOptions["route"],
  limits: Partial<ListenerLimits> = {},
) {
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    route,
    log: silentLog,
    limits,
  });
  cleanup(() => listener.close());
  return listener.address.port;
}

/** A TLS server that echoes, fed by the listener alone. */
async function echoServer(): Promise<Accept> {
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + 3_600_000) };
  const ca = await createCa({ cluster: "c", kind: "host", ...validity });
  const { publicKey, privateKey } = generateKeyPair();
  const claims: HostClaims = { kind: "host", role: "agent", host: "00".repeat(16) };
  const { certificate } = await issueCertificate(ca, {
    cluster: "c",
    publicKey,
    claims,
    usage: ["server"],
    ...validity,
  });
  const server = tls.createServer({ cert: certificate, key: privateKey });
  server.on("secureConnection", (stream) => stream.pipe(stream));
  return (socket) => void server.emit("connection", socket);
}

/** Speaks TLS to the port and resolves with the echo of `text`, or with how it was refused. */
function speak(port: number, servername: string, text = "hello"): Promise<string> {
  return new Promise((resolve) => {
    const stream = tls.connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false });
    let heard = "";
    stream.on("secureConnect", () => stream.write(text));
    stream.on("data", (chunk: Buffer) => {
      heard += chunk;
      if (heard.length >= text.length) stream.destroy();
    });
    stream.on("error", () => {});
    stream.on("close", () => resolve(heard || "closed"));
  });
}

/** The ClientHello that this runtime sends. */
function clientHello(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.once("data", (hello: Buffer) => {
        socket.destroy();
        server.close();
        resolve(hello);
      });
      socket.on("error", () => {});
    });
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      tls.connect({ host: "127.0.0.1", port, servername }).on("error", () => {});
    });
  });
}

/** The same hello, its message spread over records of `size` bytes, as RFC 8446 §5.1 allows. */
function inRecords(hello: Buffer, size: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const fragment = hello.subarray(at, at + size);
    const header = Buffer.from(hello.subarray(0, 5));
    header.writeUInt16BE(fragment.length, 3);
    records.push(header, fragment);
  }
  return Buffer.concat(records);
}

/** Sends bytes and resolves with what came back before the end. */
function sendRaw(port: number, pieces: readonly Uint8Array[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    let heard = "";
    socket.on("data", (chunk: Buffer) => heard += chunk.toString("latin1"));
    socket.on("error", () => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(heard);
    });
    const next = (at: number) => {
      const piece = pieces[at];
      if (piece === undefined || socket.destroyed) return;
      // A pause between pieces, so that they arrive as pieces.
      socket.write(piece, () => {
        if (!socket.destroyed) timer = setTimeout(() => next(at + 1), 1);
      });
    };
    socket.setNoDelay(true);
    next(0);
  });
}

/** A route that reports the name it was asked for and every byte of the connection. */
function recorder(expected: number) {
  const heard = Promise.withResolvers<{ name: string | undefined; bytes: Buffer }>();
  const route: ListenerOptions["route"] = (name) => (socket) => {
    const chunks: Buffer[] = [];
    let size = 0;
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size < expected) return;
      heard.resolve({ name, bytes: Buffer.concat(chunks) });
      socket.destroy();
    });
    socket.resume();
  };
  return { heard: heard.promise, route };
}

test("the public port hands a connection to whom the SNI names, with its ClientHello intact", async (context) => {
  const echo = await echoServer();
  const asked: (string | undefined)[] = [];
  const port = await listen(context, (name) => {
    asked.push(name);
    return name === "one.route.internal" ? echo : undefined;
  });
  assert.equal(await speak(port, "One.Route.Internal"), "hello");
  assert.equal(await speak(port, "one.route.internal", "x".repeat(300_000)), "x".repeat(300_000));
  assert.equal(await speak(port, "other.route.internal"), "closed");
  assert.deepEqual(asked, ["one.route.internal", "one.route.internal", "other.route.internal"]);
});

test("the public port asks for the route of a ClientHello without SNI as undefined", async (context) => {
  const echo = await echoServer();
  const port = await listen(context, (name) => name === undefined ? echo : undefined);
  assert.equal(await speak(port, ""), "hello");
});

test("the public port reads a ClientHello in any pieces and records", async (context) => {
  const hello = await clientHello("split.route.internal");
  for (const [bytes, size] of [[hello, 100], [inRecords(hello, 37), 90], [hello, 5]] as const) {
    const { heard, route } = recorder(bytes.length);
    const port = await listen(context, route);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    await sendRaw(port, pieces);
    const { name, bytes: arrived } = await heard;
    assert.equal(name, "split.route.internal");
    assert.ok(arrived.equals(bytes));
  }
});

test("the public port routes bytes that follow the ClientHello at once", async (context) => {
  const bytes = Buffer.concat([await clientHello("eager.x"), Buffer.alloc(70_000, "early")]);
  const { heard, route } = recorder(bytes.length);
  const port = await listen(context, route);
  await sendRaw(port, [bytes]);
  assert.ok((await heard).bytes.equals(bytes));
});

const strangers: [string, (hello: Buffer) => Buffer[]][] = [
  ["plain HTTP", () => [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]],
  ["an SSH banner", () => [Buffer.from("SSH-2.0-OpenSSH_9.2\r\n")]],
  ["zeros", () => [Buffer.alloc(1000)]],
  ["an empty record", () => [Buffer.from([0x16, 3, 1, 0, 0])]],
  ["a record beyond TLS's limit", () => [Buffer.from([0x16, 3, 1, 0xff, 0xff])]],
  ["a ServerHello", (hello) => {
    const other = Buffer.from(hello);
    other[5] = 2;
    return [other];
  }],
  ["a ClientHello of 16 MB, announced", (hello) => {
    const other = Buffer.from(hello);
    other.writeUIntBE(0xffffff, 6, 3);
    return [other];
  }],
  ["a ClientHello whose extensions overrun it", (hello) => {
    const other = Buffer.from(hello);
    // Session id length: everything after it shifts.
    other[5 + 4 + 2 + 32] = 0xff;
    return [other];
  }],
  ["an endless ClientHello in tiny records", () => {
    const start = Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0xff, 0xf0]);
    const tiny = Buffer.from([0x16, 3, 1, 0, 1, 0]);
    return [start, ...Array<Buffer>(8).fill(Buffer.concat(Array(1500).fill(tiny)))];
  }],
];

for (const [what, make] of strangers) {
  test(`the public port closes ${what} without a word and without asking for a route`, async (context) => {
    let asked = 0;
    const port = await listen(context, () => {
      asked++;
      return undefined;
    }, { hello: { bytes: 65_536, milliseconds: 2_000 } });
    const hello = await clientHello("x.y");
    assert.equal(await sendRaw(port, make(hello)), "");
    assert.equal(asked, 0);
  });
}

test("the public port cuts off a ClientHello that never ends", async (context) => {
  const hello = await clientHello("slow.x");
  const port = await listen(context, () => assert.fail("must not be routed"), {
    hello: { bytes: 65_536, milliseconds: 30 },
  });
  assert.equal(await sendRaw(port, [hello.subarray(0, 100)]), "");
  assert.equal(await sendRaw(port, []), "");
});

test("the public port limits silent connections of one source and forgets those that left", async (context) => {
  const { heard, route } = recorder(1);
  const port = await listen(context, route, { unroutedPerSource: 2 });
  const silent = await Promise.all([1, 2].map(() => connected(port)));
  assert.equal(await sendRaw(port, [await clientHello("third.x")]), "");
  for (const socket of silent) socket.destroy();
  await Promise.all(silent.map((socket) => closed(socket)));
  // The listener hears of the closing a little later than we do.
  let name: string | undefined;
  void heard.then((result) => name = result.name);
  while (name === undefined) await sendRaw(port, [await clientHello("fourth.x")]);
  assert.equal(name, "fourth.x");
});

test("the public port limits silent connections of all sources together", async (context) => {
  const asked: (string | undefined)[] = [];
  // One source may have more than all together: whoever is refused is refused by the sum.
  const port = await listen(context, (name) => void asked.push(name), {
    unrouted: 3,
    unroutedPerSource: 100,
  });
  const silent: net.Socket[] = [];
  for (const from of ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
    silent.push(await connected(port, from));
  }
  assert.equal(await sendRaw(port, [await clientHello("fourth.x")]), "");
  assert.deepEqual(asked, []);
  await closed(await connected(port, "127.0.0.4"));
  // Those who came first were not pushed out by those who came later.
  assert.deepEqual(silent.map(({ destroyed }) => destroyed), [false, false, false]);
  silent[0]!.destroy();
  // The listener hears of the closing a little later than we do.
  while (asked.length === 0) await sendRaw(port, [await clientHello("fifth.x")]);
  assert.deepEqual(asked, ["fifth.x"]);
  for (const socket of silent) socket.destroy();
}, { skip: process.platform === "linux" ? false : "only Linux has all of 127.0.0.0/8" });

test("a port in use is reported with its address and what to do", async (context) => {
  const port = await listen(context, () => undefined);
  await assert.rejects(
    startListener({ host: "127.0.0.1", port, route: () => undefined, log: silentLog }),
    (error) => {
      assert.ok(error instanceof RelayError);
      assert.equal(error.code, "PORT_IN_USE");
      assert.equal(error.message, `Cannot listen on 127.0.0.1:${port}: the port is in use`);
      assert.match(error.hint ?? "", /another address/);
      return true;
    },
  );
});

test("closing the public port frees it at once and leaves routed connections alone", async (context) => {
  const taken = Promise.withResolvers<net.Socket>();
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    route: () => (socket) => taken.resolve(socket),
  });
  const { port } = listener.address;
  const client = net.connect(port, "127.0.0.1");
  client.on("error", () => {});
  client.write(await clientHello("x.y"));
  const routed = await taken.promise;
  const silent = await connected(port);
  await listener.close();
  await closed(silent);
  const again = await startListener({
    host: "127.0.0.1",
    port,
    log: silentLog,
    route: () => undefined,
  });
  context.cleanup(() => again.close());
  const echo = new Promise<string>((resolve) =>
    client.once("data", (b: Buffer) => resolve(`${b}`))
  );
  routed.write("still here");
  assert.equal(await echo, "still here");
  client.destroy();
  routed.destroy();
});

function connected(port: number, localAddress = "127.0.0.1"): Promise<net.Socket> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress }, () => resolve(socket));
    socket.on("error", () => {});
  });
}

function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.once("close", () => resolve());
    socket.resume();
  });
}
