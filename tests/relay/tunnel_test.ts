// Relays and agents apart: agents dial in, and clients reach them through connections that the
// agents have opened.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { generateKeyPair, type HostClaims, silentLog, systemClock } from "../../identity/mod.ts";
import { type Ca, createCa, issueCertificate } from "../../identity/x509/mod.ts";
import { startListener } from "../../relay/proxy/mod.ts";
import {
  DATA_MAGIC,
  DATA_OPENING_BYTES,
  RelayDialler,
  TUNNEL_NAME,
  type TunnelLimits,
  Tunnels,
} from "../../relay/tunnel/mod.ts";
import { test, type TestContext } from "../support/harness.ts";

const CLUSTER = "example.test";
const AGENT = "aa".repeat(16);
const RELAY = "bb".repeat(16);
const CLIENT_NAME = "some.route.internal";

interface Credentials {
  readonly certificate: string;
  readonly key: string;
}

async function hostCa(cluster = CLUSTER): Promise<Ca> {
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + 3_600_000) };
  return await createCa({ cluster, kind: "host", ...validity });
}

async function issue(ca: Ca, claims: Partial<HostClaims>, ms = 3_600_000): Promise<Credentials> {
  const { publicKey, privateKey: key } = generateKeyPair();
  const { certificate } = await issueCertificate(ca, {
    cluster: CLUSTER,
    publicKey,
    claims: { kind: "host", role: "agent", host: AGENT, ...claims },
    usage: ["server", "client"],
    notBefore: new Date(),
    notAfter: new Date(Date.now() + ms),
  });
  return { certificate, key };
}

interface RelayOptions {
  readonly ca: Ca;
  readonly warm?: number;
  readonly port?: number;
  readonly limits?: Partial<TunnelLimits>;
}

async function startRelay(
  context: TestContext,
  { ca, limits = {}, warm = 2, port = 0 }: RelayOptions,
) {
  const credentials = await issue(ca, { role: "relay", host: RELAY });
  const tunnels = new Tunnels({
    cluster: CLUSTER,
    hostCredentials: () => credentials,
    hostCas: () => [ca.certificate],
    clock: systemClock,
    log: silentLog,
    limits: { warm, ...limits },
  });
  const listener = await startListener({
    host: "127.0.0.1",
    port,
    log: silentLog,
    route: (name) => name === TUNNEL_NAME ? tunnels.acceptLink : tunnels.route(AGENT),
    preambles: [{
      magic: DATA_MAGIC,
      bytes: DATA_OPENING_BYTES,
      route: (bytes) => tunnels.admit(bytes),
    }],
  });
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await listener.close();
    tunnels.close();
  };
  context.cleanup(close);
  return { tunnels, close, port: listener.address.port };
}

/** An agent whose sessions echo, and that has no port. */
async function startAgent(context: TestContext, ca: Ca, port: number) {
  const credentials = await issue(ca, {});
  const server = tls.createServer({ cert: credentials.certificate, key: credentials.key });
  const sockets = new Set<{ destroy(): unknown }>();
  server.on("secureConnection", (stream) => {
    stream.on("error", () => {});
    stream.pipe(stream);
  });
  const from: string[] = [];
  const dialler = new RelayDialler({
    cluster: CLUSTER,
    relays: () => [{ host: RELAY, addresses: [`127.0.0.1:${port}`] }],
    onRelays: () => () => {},
    hostCredentials: () => credentials,
    hostCas: () => [ca.certificate],
    accept: (socket, { address }) => {
      from.push(address);
      sockets.add(socket);
      server.emit("connection", socket);
    },
    clock: systemClock,
    log: silentLog,
    random: () => 0,
  });
  context.cleanup(() => {
    dialler.close();
    for (const socket of sockets) socket.destroy();
  });
  return { dialler, from };
}

async function connect(port: number): Promise<tls.TLSSocket> {
  const stream = tls.connect({
    host: "127.0.0.1",
    port,
    servername: CLIENT_NAME,
    rejectUnauthorized: false,
  });
  stream.on("error", () => {});
  await once(stream, "secureConnect");
  return stream;
}

async function echo(stream: tls.TLSSocket, text: string): Promise<string> {
  stream.write(text);
  let heard = "";
  while (heard.length < text.length) heard += (await once(stream, "data"))[0];
  return heard;
}

/** The first bytes of a TLS client that asks for a name. */
async function clientHello(servername: string): Promise<Buffer> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({ host: "127.0.0.1", port, servername });
  client.on("error", () => {});
  const [socket] = await once(server, "connection") as [net.Socket];
  const [bytes] = await once(socket, "data") as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

test("a client reaches an agent that has no port, through TLS that ends there alone", async (context) => {
  const ca = await hostCa();
  const { port, tunnels } = await startRelay(context, { ca });
  const { from } = await startAgent(context, ca, port);
  await until(() => tunnels.agents.includes(AGENT));
  // More of them than connections that wait.
  const streams = await Promise.all(Array.from({ length: 7 }, () => connect(port)));
  for (const [index, stream] of streams.entries()) {
    const text = `${index}`.repeat(100_000);
    assert.equal(await echo(stream, text), text);
  }
  assert.equal(tunnels.joined, 7);
  assert.equal(from[0], `127.0.0.1 via relay/${RELAY}`, "the relay's word is marked as such");
  for (const stream of streams) stream.destroy();
  await until(() => tunnels.joined === 0);
});

test("a client waits for an agent that has no connection ready, and no longer than the agent is there", async (context) => {
  const ca = await hostCa();
  const { port, tunnels } = await startRelay(context, { ca, warm: 0 });
  const agent = await startAgent(context, ca, port);
  await until(() => tunnels.agents.includes(AGENT));
  const stream = await connect(port);
  assert.equal(await echo(stream, "hello"), "hello");
  agent.dialler.close();
  await until(() => tunnels.agents.length === 0);
  assert.equal(await echo(stream, "again"), "again", "what is connected goes on");
  stream.destroy();
  await assert.rejects(connect(port));
});

test("an agent comes back to a relay that was away", async (context) => {
  const ca = await hostCa();
  const first = await startRelay(context, { ca });
  const agent = await startAgent(context, ca, first.port);
  await until(() => first.tunnels.agents.length === 1);
  await first.close();
  await until(() => agent.dialler.connected.length === 0);
  const second = await startRelay(context, { ca, port: first.port });
  await until(() => second.tunnels.agents.length === 1);
  const stream = await connect(second.port);
  assert.equal(await echo(stream, "hello"), "hello");
  stream.destroy();
});

test("a relay that drains sends nobody more, and lets those who are connected finish", async (context) => {
  const ca = await hostCa();
  const { port, tunnels } = await startRelay(context, { ca });
  await startAgent(context, ca, port);
  await until(() => tunnels.agents.length === 1);
  const stream = await connect(port);
  const drained = tunnels.drain(60_000);
  await assert.rejects(connect(port));
  assert.equal(await echo(stream, "still"), "still");
  stream.destroy();
  await drained;
});

test("strangers who begin a tunnel and do not go on are few, and leave room for agents elsewhere", async (context) => {
  const ca = await hostCa();
  const { port, tunnels } = await startRelay(context, {
    ca,
    limits: { handshakes: { total: 8, perSource: 2 } },
  });
  const hello = await clientHello(TUNNEL_NAME);
  const begin = async (localAddress: string) => {
    const socket = net.connect({ host: "127.0.0.1", port, localAddress });
    context.cleanup(() => socket.destroy());
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(hello);
    // The relay's half of the handshake, or its end.
    const heard = await Promise.race([once(socket, "data"), once(socket, "close")]);
    return heard[0] instanceof Uint8Array ? socket : undefined;
  };
  const held = [await begin("127.0.0.2"), await begin("127.0.0.2")];
  assert.ok(held.every((socket) => socket !== undefined));
  assert.equal(await begin("127.0.0.2"), undefined);
  await startAgent(context, ca, port);
  await until(() => tunnels.agents.length === 1);
  held[0]!.destroy();
  while (await begin("127.0.0.2") === undefined);
});

test("a data connection is admitted by what was offered over the link, once", async (context) => {
  const ca = await hostCa();
  const { port, tunnels } = await startRelay(context, { ca, warm: 0 });
  // An agent that keeps to itself what it is offered.
  const credentials = await issue(ca, {});
  const link = tls.connect({
    host: "127.0.0.1",
    port,
    servername: TUNNEL_NAME,
    cert: credentials.certificate,
    key: credentials.key,
    ca: [ca.certificate],
    checkServerIdentity: () => undefined,
  });
  context.cleanup(() => link.destroy());
  await once(link, "secureConnect");
  await until(() => tunnels.agents.length === 1);
  const waiting = tls.connect({ host: "127.0.0.1", port, servername: CLIENT_NAME });
  waiting.on("error", () => {});
  context.cleanup(() => waiting.destroy());
  const { offers: [offer] } = JSON.parse(String((await once(link, "data"))[0]).split("\n")[0]!);

  const { dataOpening } = await import("../../relay/tunnel/data_opening.ts");
  const open = (bytes: Buffer) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("error", () => {});
    context.cleanup(() => socket.destroy());
    return new Promise<string>((resolve) => {
      socket.once("data", () => resolve("used"));
      socket.once("close", () => resolve("refused"));
    });
  };
  assert.equal(await open(dataOpening({ ...offer, secret: "0".repeat(64) })), "refused");
  assert.equal(await open(dataOpening({ ...offer, id: "0".repeat(32) })), "refused");
  assert.equal(await open(dataOpening(offer)), "used");
  assert.equal(await open(dataOpening(offer)), "refused");
});

test("an agent does not take a client whose header is not by the relay", async () => {
  const { dataHeader, newOffer, readDataHeader } = await import(
    "../../relay/tunnel/data_opening.ts"
  );
  const { duplexPair } = await import("node:stream");
  const offer = newOffer();
  const read = async (bytes: Buffer) => {
    const [near, far] = duplexPair();
    far.write(bytes);
    return await readDataHeader(near, offer);
  };
  const good = dataHeader({ address: "192.0.2.1" }, offer);
  assert.deepEqual(await read(Buffer.concat([good, Buffer.from("rest")])), {
    address: "192.0.2.1",
  });
  const forged = Buffer.from(good);
  forged[15]! ^= 1;
  await assert.rejects(read(forged), { code: "PROTOCOL" });
  await assert.rejects(read(dataHeader({ address: "192.0.2.1" }, newOffer())), {
    code: "PROTOCOL",
  });
  await assert.rejects(read(Buffer.from("ffff", "hex")), { code: "PROTOCOL" });
});

const strangers: Record<string, (ca: Ca) => Promise<Credentials>> = {
  "another relay": (ca) => issue(ca, { role: "relay" }),
  "an authority": (ca) => issue(ca, { role: "authority" }),
  "an agent of another CA": async () => issue(await hostCa(), {}),
  "an agent whose certificate has ended": (ca) => issue(ca, {}, 1),
};
for (const [who, credentialsOf] of Object.entries(strangers)) {
  test(`a relay gives no tunnel to ${who}`, async (context) => {
    const ca = await hostCa();
    const { port, tunnels } = await startRelay(context, { ca });
    const { certificate, key } = await credentialsOf(ca);
    const stream = tls.connect({
      host: "127.0.0.1",
      port,
      servername: TUNNEL_NAME,
      cert: certificate,
      key,
      rejectUnauthorized: false,
    });
    stream.on("error", () => {});
    stream.resume();
    await new Promise<void>((resolve) => stream.once("close", () => resolve()));
    assert.deepEqual(tunnels.agents, []);
  });
}

test("an agent opens no tunnel to a relay that is another than the cluster says", async (context) => {
  const ca = await hostCa();
  const credentials = await issue(ca, { role: "relay", host: "cc".repeat(16) });
  const server = tls.createServer({
    cert: credentials.certificate,
    key: credentials.key,
    ca: [ca.certificate],
    requestCert: true,
  }, (stream) => stream.on("error", () => {}));
  server.on("tlsClientError", () => {});
  // It comes again only when it was not content with what it found.
  const again = Promise.withResolvers<void>();
  let times = 0;
  server.on("connection", () => ++times > 2 && again.resolve());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  context.cleanup(() => server.close());
  const { dialler } = await startAgent(context, ca, (server.address() as net.AddressInfo).port);
  await again.promise;
  assert.deepEqual(dialler.connected, []);
});
