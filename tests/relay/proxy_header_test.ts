// PROXY protocol as HAProxy's doc/proxy-protocol.txt writes it (§2.1, §2.2), byte by byte.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import { networks } from "../../cli/config/networks.ts";
import { silentLog } from "../../identity/mod.ts";
import { startListener } from "../../relay/proxy/mod.ts";
import { parseProxyHeader } from "../../relay/proxy/proxy_header.ts";
import { test, type TestContext } from "../support/harness.ts";

const V2 = "0d0a0d0a000d0a515549540a";
const v1 = (text: string) => Buffer.from(text, "latin1");
const v2 = (hex: string) => Buffer.from(V2 + hex, "hex");
const TCP4 = "2111000c" + "c0000207" + "cb007109" + "1f90" + "01bb";
const TCP6 = "21210024" + "20010db8000000000000000000000007" +
  "20010db8000000000000000000000001" + "1f90" + "01bb";

const good: [string, Buffer, string | undefined][] = [
  ["TCP4 of version 1", v1("PROXY TCP4 192.0.2.7 203.0.113.9 8080 443\r\n"), "192.0.2.7"],
  ["TCP6 of version 1", v1("PROXY TCP6 2001:db8::7 2001:db8::1 8080 443\r\n"), "2001:db8::7"],
  ["UNKNOWN of version 1", v1("PROXY UNKNOWN\r\n"), undefined],
  [
    "the longest line of version 1",
    v1(`PROXY UNKNOWN ${"f".repeat(39)} ${"f".repeat(39)} 65535 65535\r\n`),
    undefined,
  ],
  ["TCP4 of version 2", v2(TCP4), "192.0.2.7"],
  ["TCP6 of version 2", v2(TCP6), "2001:db8:0:0:0:0:0:7"],
  ["version 2 with an extension", v2("21110013" + TCP4.slice(8) + "04000401020304"), "192.0.2.7"],
  ["LOCAL of version 2", v2("20000000"), undefined],
  ["a Unix socket by version 2", v2("213100d8" + "00".repeat(216)), undefined],
];

const bad: [string, Buffer][] = [
  ["a ClientHello", Buffer.from("160301", "hex")],
  ["another word", v1("PROXZ TCP4")],
  ["a line of version 1 that does not end", v1("PROXY UNKNOWN ".padEnd(107, "x"))],
  ["a line without ports", v1("PROXY TCP4 192.0.2.7 203.0.113.9\r\n")],
  ["an address of the other family", v1("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n")],
  ["a port beyond ports", v1("PROXY TCP4 192.0.2.7 203.0.113.9 65536 443\r\n")],
  ["a name in place of an address", v1("PROXY TCP4 localhost 203.0.113.9 1 443\r\n")],
  ["a version 3", v2("31110000")],
  ["a command that is none", v2("22110000")],
  ["a header too short for its addresses", v2("2111000b" + "00".repeat(11))],
  ["a header of 64 KiB", v2("2111ffff")],
];

for (const [what, bytes, address] of good) {
  test(`${what} names ${address ?? "nobody"}, in any pieces and with what follows`, () => {
    for (let i = 0; i < bytes.length; i++) {
      assert.equal(parseProxyHeader(bytes.subarray(0, i)), undefined, `after ${i} bytes`);
    }
    const header = { bytes: bytes.length, address };
    assert.deepEqual(parseProxyHeader(Buffer.concat([bytes, Buffer.from("hello")])), header);
  });
}

for (const [what, bytes] of bad) {
  test(`${what} is no PROXY protocol`, () => {
    assert.throws(() => parseProxyHeader(bytes));
  });
}

test("the public port believes a load balancer, and nobody else", async (context) => {
  const heard = await call(context, ["127.0.0.0/30"], v2(TCP4), "127.0.0.2");
  assert.deepEqual(heard, { address: "192.0.2.7", bytes: MAGIC.toString() });
  assert.deepEqual(await call(context, ["127.0.0.0/30"], v2("20000000"), "127.0.0.2"), {
    address: "127.0.0.2",
    bytes: MAGIC.toString(),
  });
  const none = Buffer.alloc(0);
  assert.equal(await call(context, ["127.0.0.0/30"], none, "127.0.0.2"), "hung up");
  assert.equal(await call(context, ["127.0.0.0/30"], v2(TCP4), "127.0.0.9"), "hung up");
  assert.deepEqual(await call(context, ["127.0.0.0/30"], none, "127.0.0.9"), {
    address: "127.0.0.9",
    bytes: MAGIC.toString(),
  });
});

test("who is behind a load balancer is limited by the own address", async (context) => {
  const { connect, port } = await publicPort(context, ["127.0.0.1"], { unroutedPerSource: 1 });
  const silent = connect(port, "127.0.0.1");
  silent.write(v1("PROXY TCP4 192.0.2.7 203.0.113.9 8080 443\r\n"));
  const more = connect(port, "127.0.0.1");
  // The first of the two that is read keeps the place.
  more.write(v1("PROXY TCP4 192.0.2.7 203.0.113.9 8081 443\r\n"));
  await Promise.race([once(more, "close"), once(silent, "close")]);
  const other = connect(port, "127.0.0.1");
  other.write(v1("PROXY TCP4 192.0.2.8 203.0.113.9 8080 443\r\n"));
  other.write(MAGIC);
  assert.match(String(await once(other, "data")), /192\.0\.2\.8/);
});

const MAGIC = Buffer.from("TESTTEST");

async function publicPort(context: TestContext, from: string[], limits = {}) {
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    balancers: networks(from),
    limits,
    route: () => undefined,
    preambles: [{
      magic: MAGIC,
      bytes: MAGIC.length,
      route: (bytes) => (socket, address) => {
        context.cleanup(() => socket.destroy());
        socket.end(JSON.stringify({ address, bytes: bytes.toString() }));
        socket.resume();
      },
    }],
  });
  context.cleanup(() => listener.close());
  const connect = (port: number, localAddress: string) => {
    const socket = net.connect({ host: "127.0.0.1", port, localAddress });
    socket.on("error", () => {});
    context.cleanup(() => socket.destroy());
    return socket;
  };
  return { port: listener.address.port, connect };
}

async function call(context: TestContext, from: string[], header: Buffer, localAddress: string) {
  const { connect, port } = await publicPort(context, from);
  const socket = connect(port, localAddress);
  socket.write(Buffer.concat([header, MAGIC]));
  let text = "";
  socket.on("data", (chunk) => text += chunk);
  await once(socket, "close");
  return text === "" ? "hung up" : JSON.parse(text);
}
