// A relay that runs apart says whose connection it passes on; the authority counts by that.
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import net from "node:net";
import {
  caPin,
  connectAuthority,
  FORWARDED_BYTES,
  FORWARDED_MAGIC,
  forwardedHeader,
  generateKeyPair,
  IdentityError,
  silentLog,
} from "../../identity/mod.ts";
import { startListener } from "../../relay/proxy/mod.ts";
import { joinStreams } from "../../relay/tunnel/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import {
  type HostMachine,
  type RealAuthority,
  realAuthority,
  TTL,
} from "../support/real_authority.ts";

const MALLORY = "192.0.2.66";

test("behind a relay apart, who guesses tokens keeps out nobody but the own address", async (context) => {
  const { guess, header, join } = await stage(context);
  const relayed = header(MALLORY);
  for (let i = 0; i < 20; i++) assert.equal(await guess(relayed), "JOIN_REFUSED");
  assert.equal(await guess(relayed), "RATE_LIMITED");
  await join(header("2001:db8::7"));
  await join(undefined);
});

const lies: [string, (stage: Stage) => Promise<Buffer | undefined> | Buffer | undefined][] = [
  ["an agent", async ({ authority, say }) => say(await authority.joinHost("agent"))],
  [
    "a relay that is not of the cluster",
    ({ relay, say }) => say({ ...relay, host: "f".repeat(32) }),
  ],
  ["the relay of another cluster", ({ relay, say }) => say(relay, { cluster: "other.test" })],
  ["another key", ({ relay, say }) => say({ ...relay, key: generateKeyPair().privateKey })],
  ["a minute ago", ({ clock, relay, say }) => say(relay, { at: new Date(+clock.now() - 60_001) })],
  ["a locked relay", async ({ authority, relay, say }) => {
    const lock = { target: { host: relay.host }, message: "stolen", created: "" };
    await authority.cluster.store.update((tx) => tx.put("lock", "l", lock));
    return say(relay);
  }],
  ["somebody who has changed the address", ({ header }) => {
    const bytes = header("192.0.2.1")!;
    bytes.write(MALLORY, bytes.indexOf("192.0.2.1"), "latin1");
    return bytes;
  }],
];

for (const [who, lie] of lies) {
  test(`what ${who} says of a connection is not believed`, async (context) => {
    const it = await stage(context);
    const said = await lie(it);
    assert.equal(await it.guess(said), "JOIN_REFUSED");
    assert.equal(await it.lastAddress(), "127.0.0.1");
    await it.guess(it.header("192.0.2.1"));
    assert.equal(await it.lastAddress(), who === "a locked relay" ? "127.0.0.1" : "192.0.2.1");
  });
}

type Stage = Awaited<ReturnType<typeof stage>>;

async function stage(context: TestContext) {
  const clock = new ManualClock();
  const authority = await realAuthority(context, { clock });
  await authority.addBot("robot");
  const relay = await authority.joinHost("relay");
  const { server } = authority;
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    route: () => server.accept,
    preambles: [{ magic: FORWARDED_MAGIC, bytes: FORWARDED_BYTES, route: server.acceptForwarded }],
  });
  context.cleanup(() => listener.close());
  const say = (
    { host, key }: Pick<HostMachine, "host" | "key">,
    { at = clock.now(), cluster = authority.cluster.name } = {},
    address = MALLORY,
  ) => forwardedHeader({ host, address, at }, { cluster, privateKey: key });
  const join = (header: Buffer | undefined, token?: string) =>
    joinBehind(context, { authority, port: listener.address.port, header, token });
  return {
    authority,
    clock,
    relay,
    say,
    header: (address: string) => say(relay, {}, address),
    join,
    /** What the newest event of a refused join calls the client. */
    lastAddress: async () => {
      const events = await authority.cluster.store.latestEvents(20);
      return events.findLast(({ event }) => event["code"] === "TJ001E")?.event["addr.remote"];
    },
    guess: (header: Buffer | undefined) =>
      join(header, "0".repeat(32)).then(() => "joined", (error: IdentityError) => error.code),
  };
}

/** Joins through a relay that says `header`, whatever that is. */
async function joinBehind(
  context: TestContext,
  { authority, header, port, token }: {
    authority: RealAuthority;
    header: Buffer | undefined;
    port: number;
    token: string | undefined;
  },
): Promise<void> {
  const relay = net.createServer((socket) => {
    const far = net.connect({ host: "127.0.0.1", port });
    if (header) far.write(header);
    void joinStreams(socket, far);
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", () => resolve()));
  context.cleanup(() => relay.close());
  const proxy = `127.0.0.1:${(relay.address() as net.AddressInfo).port}`;
  const pin = caPin(authority.cluster.keys.host.certificate);
  const client = connectAuthority({ proxy, trust: { kind: "pins", pins: [pin] } });
  const { publicKey } = generateKeyPair();
  const secret = token ?? await authority.addToken("robot");
  await client.join({ method: "token", token: secret, publicKey, ttl: TTL });
}
