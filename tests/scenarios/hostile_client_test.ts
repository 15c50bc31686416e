// A client with an identity, a session certificate and a route of its own, and no manners: it speaks
// frames to the compiled agent that no bridge would write. Each is refused by its name, and another
// session is served all the while.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import process from "node:process";
import tls from "node:tls";
import { fileURLToPath } from "node:url";
import { connectAuthority, readIdentityFile, type SessionGrant } from "../../identity/mod.ts";
import {
  ALPN,
  encodeFrame,
  encodeHeader,
  FrameDecoder,
  FrameType,
  MAX_CONTROL_BYTES,
  MAX_MESSAGE_BYTES,
} from "../../relay/wire/frame.ts";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { currentUser, eventually, nodePath, program, within } from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import type { TestContext } from "../support/harness.ts";
import { scenario as test } from "../support/scenario.ts";
import { marked } from "../support/leaks.ts";

const SERVER = fileURLToPath(new URL("../support/hostile_server.mjs", import.meta.url));
const MB = 1024 * 1024;
const WINDOW = { bytes: 4 * MB, messages: 1024 };

/** The app that is attacked, with a server that reads nothing and is known by its environment. */
const TARGET = "target";

const { ACK, END, HELLO, MESSAGE, WELCOME } = FrameType;

interface Row {
  readonly what: string;
  /** The bytes, after a HELLO that was answered or, with `first`, instead of it. */
  readonly first?: true;
  readonly sends: (grant: SessionGrant) => Buffer | readonly Buffer[];
  readonly code: "PROTOCOL" | "LIMIT_EXCEEDED";
  /** What the client is told. */
  readonly says: RegExp;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const message = (seq: number, body: Buffer = json({ jsonrpc: "2.0", method: "notifications/x" })) =>
  encodeFrame(MESSAGE, seq, body);
const header = (type: number, length: number, seq = 0) => encodeHeader({ type, seq, length });
const hello = ({ session }: SessionGrant, other: object = {}) =>
  encodeFrame(HELLO, 0, json({ session, app: TARGET, client: "test", window: WINDOW, ...other }));

const ROWS: readonly Row[] = [
  ...[MESSAGE, ACK, FrameType.PING, FrameType.PONG].map((type): Row => ({
    what: `frame ${type} before HELLO`,
    first: true,
    sends: () => encodeFrame(type, 1),
    code: "PROTOCOL",
    says: /before a greeting/,
  })),
  {
    what: "WELCOME instead of HELLO",
    first: true,
    sends: ({ session }) =>
      encodeFrame(WELCOME, 0, json({ session, app: TARGET, client: "test", window: WINDOW })),
    code: "PROTOCOL",
    says: /begins with HELLO/,
  },
  {
    what: "a message before WELCOME",
    first: true,
    sends: (grant) => Buffer.concat([hello(grant), message(1)]),
    code: "PROTOCOL",
    says: /before WELCOME/,
  },
  {
    what: "a HELLO that is not JSON",
    first: true,
    sends: () => encodeFrame(HELLO, 0, Buffer.from("{")),
    code: "PROTOCOL",
    says: /HELLO: its body is not JSON/,
  },
  {
    what: "a HELLO for another app",
    first: true,
    sends: (grant) => hello(grant, { app: APP }),
    code: "PROTOCOL",
    says: /another session than the certificate/,
  },
  {
    what: "a HELLO for another session",
    first: true,
    sends: (grant) => hello(grant, { session: randomUUID() }),
    code: "PROTOCOL",
    says: /another session than the certificate/,
  },
  ...[undefined, 0, -1, 1.5, "9"].map((bytes): Row => ({
    what: `a HELLO with a window of ${bytes} bytes`,
    first: true,
    sends: (grant) => hello(grant, { window: { bytes, messages: 1 } }),
    code: "PROTOCOL",
    says: /"window" needs/,
  })),
  {
    what: "a HELLO that is announced too large",
    first: true,
    sends: () => header(HELLO, MAX_CONTROL_BYTES + 1),
    code: "LIMIT_EXCEEDED",
    says: /65537 bytes: the limit is 65536/,
  },
  {
    what: "HTTP",
    first: true,
    sends: () => Buffer.from("GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
    code: "PROTOCOL",
    says: /unknown type 71/,
  },
  {
    what: "a second HELLO",
    sends: hello,
    code: "PROTOCOL",
    says: /frame 1 at this point/,
  },
  ...[0, 8, 0x7f].map((type): Row => ({
    what: `unknown type ${type}`,
    sends: () => header(type, 0),
    code: "PROTOCOL",
    says: /unknown type/,
  })),
  {
    what: "reserved bytes",
    sends: () => Buffer.from("03000100000000000000000000000001", "hex"),
    code: "PROTOCOL",
    says: /reserved bytes/,
  },
  {
    what: "a message of 4 GiB",
    sends: () => header(MESSAGE, 0xffffffff, 1),
    code: "LIMIT_EXCEEDED",
    says: /4294967295 bytes: the limit is/,
  },
  {
    what: "a message one byte too large",
    sends: () => header(MESSAGE, MAX_MESSAGE_BYTES + 1, 1),
    code: "LIMIT_EXCEEDED",
    says: /the limit is/,
  },
  {
    what: "an optional frame that is too large",
    sends: () => header(0x80, MAX_CONTROL_BYTES + 1),
    code: "LIMIT_EXCEEDED",
    says: /the limit is 65536/,
  },
  {
    what: "an absurd number",
    sends: () => Buffer.from("0300000000000000ffffffffffffffff", "hex"),
    code: "PROTOCOL",
    says: /number is absurd/,
  },
  ...[[0], [2], [1, 1], [1, 3]].map((numbers): Row => ({
    what: `messages ${numbers}`,
    sends: () => Buffer.concat(numbers.map((seq) => message(seq))),
    code: "PROTOCOL",
    says: /next in order/,
  })),
  {
    what: "an ACK for what was not sent",
    sends: () => encodeFrame(ACK, 1),
    code: "PROTOCOL",
    says: /ACK for what was not sent/,
  },
  {
    what: "an END that is not JSON",
    sends: () => encodeFrame(END, 0, Buffer.from("bye")),
    code: "PROTOCOL",
    says: /END: its body is not JSON/,
  },
];

interface Ended {
  readonly code: string;
  readonly message: string;
}

/** One connection to the agent: what it says is kept, what is sent is anything. */
class Intruder {
  readonly #welcomed = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #end: Ended | undefined;

  constructor(readonly stream: tls.TLSSocket, readonly grant: SessionGrant) {
    const decoder = new FrameDecoder();
    this.#welcomed.promise.catch(() => {});
    stream.on("data", (chunk: Buffer) =>
      decoder.decode(chunk, ({ type, body }) => {
        if (type === WELCOME) this.#welcomed.resolve();
        if (type === END) this.#end = JSON.parse(`${body}`);
      }));
    stream.on("error", () => {});
    stream.on("close", () => {
      this.#welcomed.reject(new Error(`no WELCOME: ${this.#end?.message}`));
      this.#closed.resolve();
    });
  }

  async begin(other: object = {}): Promise<this> {
    this.stream.write(hello(this.grant, other));
    await within(this.#welcomed.promise, "WELCOME");
    return this;
  }

  /** What it was told last; `undefined` if it was cut off without a word. */
  async ended(): Promise<Ended | undefined> {
    await within(this.#closed.promise, "the agent to hang up");
    return this.#end;
  }
}

class Stage {
  readonly #neighbour: StdioPeer;
  #calls = 0;

  constructor(
    readonly guide: Guide,
    readonly run: string,
    private readonly context: TestContext,
  ) {
    this.#neighbour = new StdioPeer([program("tsh"), ...guide.connectLine()], {
      cwd: guide.directory,
    });
    context.cleanup(() => this.#neighbour.kill());
  }

  static async set(context: TestContext): Promise<Stage> {
    const run = randomUUID();
    const app = (name: string, command: string, args: string[]) =>
      `    - name: ${name}
      labels:
        env: dev
      mcp:
        command: ${JSON.stringify(command)}
        args: ${JSON.stringify(args)}
        run_as_host_user: ${currentUser()}
        env:
          LEAK_RUN: ${run}
`;
    const sections = app(TARGET, "/bin/sleep", ["1000"]);
    const guide = await Guide.start(context, { sections, command: [nodePath(), SERVER] });
    await guide.join();
    return new Stage(guide, run, context);
  }

  /** The other session has a call answered. */
  async serves(calls = 1): Promise<void> {
    let id = "";
    for (let i = 0; i < calls; i++) {
      id = `n${this.#calls++}`;
      this.#neighbour.send(call(id, "any"));
    }
    await this.#neighbour.until(
      () => this.#neighbour.lines.some((line) => line.includes(`"${id}"`) && line.includes("done")),
      "the other session is served",
    );
    this.#neighbour.lines.splice(0);
  }

  /** Asks the authority for a session, as the bridge does. */
  async ask(): Promise<{ readonly grant: SessionGrant; readonly key: string }> {
    const { guide } = this;
    const identity = await readIdentityFile(guide.identity);
    const { publicKey, privateKey } = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const authority = connectAuthority({
      proxy: guide.cluster.proxy,
      trust: { kind: "cas", hostCas: identity.tlsCas },
      credentials: { certificate: identity.tlsCertificate, key: identity.key },
    });
    return { grant: await authority.openSession({ app: TARGET, publicKey }), key: privateKey };
  }

  async connect(
    { grant, key }: { readonly grant: SessionGrant; readonly key: string },
    other: tls.ConnectionOptions = {},
  ): Promise<Intruder> {
    const [host, port] = this.guide.cluster.proxy.split(":");
    const stream = tls.connect({
      host: host!,
      port: Number(port),
      servername: grant.servername,
      cert: grant.certificate,
      key,
      ca: [...grant.hostCas],
      ALPNProtocols: [ALPN],
      checkServerIdentity: () => undefined,
      ...other,
    });
    this.context.cleanup(() => stream.destroy());
    const intruder = new Intruder(stream, grant);
    await within(
      new Promise<void>((resolve) => {
        stream.once("secureConnect", () => resolve());
        stream.once("close", () => resolve());
      }),
      "the handshake",
    );
    return intruder;
  }

  /** The server of the refused session is gone. */
  async isClear(): Promise<void> {
    await eventually(() => marked(this.run).length === 0, "no server of theirs is left");
  }
}

function call(id: string | number, name: string, args: object = {}): string {
  const params = { name, arguments: args, _meta: { progressToken: "p" } };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
}

const options = {
  proves: ["fault.hostile"],
  skip: process.platform !== "linux" && "reads /proc",
} as const;

test(
  "a client whose frames break the protocol is told so, and others are served",
  async (context) => {
    const stage = await Stage.set(context);
    await stage.serves();
    for (const row of ROWS) {
      const asked = await stage.ask();
      const intruder = await stage.connect(asked);
      if (row.first === undefined) {
        await intruder.begin();
      }
      const bytes = row.sends(asked.grant);
      for (const each of Buffer.isBuffer(bytes) ? [bytes] : bytes) intruder.stream.write(each);
      const ended = await intruder.ended();
      assert.equal(ended?.code, row.code, row.what);
      assert.match(ended.message, row.says, row.what);
      assert.ok(!ended.message.includes(stage.guide.directory), row.what);
      await stage.serves();
    }
    await stage.isClear();
    await stage.serves();
  },
  options,
);
