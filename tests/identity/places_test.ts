import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { parseProxy } from "../../identity/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { type Credentials, realAuthority } from "../support/real_authority.ts";

const LIFE = 3_600_000;

interface Caller {
  readonly session: http2.ClientHttp2Session;
  readonly closed: Promise<unknown>;
  answer(): Promise<unknown>;
}

test("strangers of one address leave places for those of others, and for who proves a certificate", async (context) => {
  const authority = await realAuthority(context, {
    places: { strangers: { total: 4, perSource: 3 }, strangerLife: LIFE, proven: 2 },
  });
  await authority.addBot("robot");
  const bot = await authority.join("robot");
  const open = callers(context, authority.proxy);

  // Each machine leaves the place of a stranger, and the next one finds it free.
  const machines = [await open("127.0.0.1", bot), await open("127.0.0.1", bot)];
  const silent = [];
  for (let i = 0; i < 3; i++) silent.push(await open("127.0.0.1"));
  await assert.rejects(open("127.0.0.1"), "a fourth stranger of one address");
  const other = await open("127.0.0.2");
  await assert.rejects(open("127.0.0.3"), "a fifth stranger");
  for (const { session } of [...machines, ...silent, other]) assert.equal(session.destroyed, false);

  silent[0]!.session.destroy();
  await until(() => open("127.0.0.1"));
});

test("a stranger's connection ends whatever it says, a machine's goes on", async (context) => {
  const authority = await realAuthority(context, {
    places: { strangers: { total: 4, perSource: 3 }, strangerLife: 1000, proven: 2 },
  });
  await authority.addBot("robot");
  const bot = await authority.join("robot");
  const open = callers(context, authority.proxy);
  const machine = await open("127.0.0.1", bot);
  const stranger = await open("127.0.0.1");
  // Never silent for long, never done.
  const asking = setInterval(() => stranger.session.destroyed || stranger.answer(), 20);
  context.cleanup(() => clearInterval(asking));
  await stranger.closed;
  await machine.answer();
});

/** Calls the public API over HTTP/2 and stays; rejects where the authority hangs up before it answers. */
function callers(context: TestContext, proxy: string) {
  const { host, port } = parseProxy(proxy);
  return async (localAddress: string, credentials?: Credentials): Promise<Caller> => {
    const raw = net.connect({ host, port, localAddress });
    raw.on("error", () => {});
    context.cleanup(() => raw.destroy());
    const session = http2.connect(`https://${proxy}`, {
      createConnection: () =>
        tls.connect({
          socket: raw,
          rejectUnauthorized: false,
          ALPNProtocols: ["h2"],
          ...(credentials && { cert: credentials.certificate, key: credentials.key }),
        }),
    });
    context.cleanup(() => session.destroy());
    session.on("error", () => {});
    const closed = once(session, "close");
    const answer = () => {
      const request = session.request({ ":path": "/v1/webapi/find" });
      request.on("error", () => {});
      request.resume();
      return once(request, "end");
    };
    const hungUp = closed.then(() => Promise.reject(new Error("hung up")));
    hungUp.catch(() => {});
    // TLS 1.3: the client is done before the server has seen its certificate. An answer tells.
    await Promise.race([answer(), hungUp]);
    return { session, closed, answer };
  };
}

async function until<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
