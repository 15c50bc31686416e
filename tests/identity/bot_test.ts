import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReload, parseBotConfig, runBot } from "../../identity/bot/mod.ts";
import type { OpenTunnel, RunBotOptions } from "../../identity/bot/mod.ts";
import { caPin, identityExpiry, parseIdentityFile, publicKeyOf } from "../../identity/mod.ts";
import type { IdentityFile, Log, LogFields } from "../../identity/mod.ts";
import { readCertificate, verifyCertificate } from "../../identity/x509/mod.ts";
import type { BotClaims } from "../../identity/x509/claims.ts";
import { FakeAuthority, refusal } from "../support/fake_authority.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const MINUTE = 60_000;
const OUTPUT_FILES = [
  ".write-test",
  "identity",
  "key",
  "key-cert.pub",
  "key.pub",
  "known_hosts",
  "teleport-host-ca.crt",
  "teleport-user-ca.crt",
  "tlscert",
];

test("one shot joins and writes every file of the output, private to its owner", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  assert.deepEqual(readdirSync(bot.output).sort(), OUTPUT_FILES);
  for (const file of OUTPUT_FILES) {
    assert.equal(statSync(join(bot.output, file)).mode & 0o777, 0o600, file);
  }
  const identity = bot.identity();
  const info = readCertificate(identity.tlsCertificate);
  await verifyCertificate(info, [bot.authority.userCa.certificate], bot.clock.now(), "client");
  assert.equal(info.claims.kind, "identity");
  assert.equal(info.notAfter.getTime(), bot.clock.now().getTime() + 60 * MINUTE);
  assert.equal(bot.read("key"), identity.key);
  assert.equal(bot.read("tlscert"), identity.tlsCertificate);
  assert.equal(bot.read("key-cert.pub"), `${identity.sshCertificate}\n`);
  assert.equal(bot.read("known_hosts"), `${identity.sshCas.join("\n")}\n`);
  assert.equal(bot.read("teleport-host-ca.crt"), identity.tlsCas.join(""));
  assert.match(bot.read("key.pub"), /^ecdsa-sha2-nistp256 \S+\n$/);
});

test("the storage keeps the identity, the token's hash and a lock, and no key without a use", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  assert.deepEqual(readdirSync(bot.storage).sort(), [
    ".write-test",
    "identity",
    "lock",
    "tokenhash",
  ]);
  assert.equal(
    readFileSync(join(bot.storage, "tokenhash"), "utf8").trim(),
    createHash("sha256").update("secret-token").digest("hex"),
  );
  for (const file of readdirSync(bot.storage)) {
    assert.equal(statSync(join(bot.storage, file)).mode & 0o777, 0o600, file);
  }
});

test("a bot renews at its interval, with a new key and the next generation each time", async (context) => {
  const bot = await setUp(context);
  const running = bot.start();
  await bot.clock.asleep(2);
  for (let generation = 2; generation <= 6; generation++) {
    assert.equal(await bot.clock.step(2), 20 * MINUTE);
    await bot.clock.asleep(2);
    assert.equal((bot.stored().claims as BotClaims).generation, generation);
  }
  await running.stop();
  const own = bot.authority.calls.filter(({ method }) => method !== "issueIdentity");
  assert.deepEqual(own.map(({ method }) => method), ["join", ...Array(5).fill("renew")]);
  assert.equal(new Set(own.map(({ publicKey }) => publicKey)).size, own.length);
  assert.equal(bot.authority.instances().length, 1);
});

test("an output keeps one key across renewals and restarts", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  const { key } = bot.identity();
  const running = bot.start();
  await bot.clock.step(2);
  await bot.clock.asleep(2);
  await running.stop();
  assert.equal(bot.identity().key, key);
  const keys = bot.authority.calls.filter(({ method }) => method === "issueIdentity")
    .map(({ publicKey }) => publicKey);
  assert.deepEqual([...new Set(keys)], [publicKeyOf(key)]);
  assert.ok(keys.length >= 3);
});

test("a certificate shorter than the interval is renewed two thirds into its life", async (context) => {
  const bot = await setUp(context, { more: "credential_ttl: 6m\n" });
  const running = bot.start();
  assert.equal(await bot.clock.step(2), 4 * MINUTE);
  await bot.clock.asleep(2);
  await running.stop();
});

for (const stage of ["request", "reply"] as const) {
  for (const method of ["join", "renew"] as const) {
    test(`a ${method} whose ${stage} is lost is sent again with the same key, and locks nothing`, async (context) => {
      const bot = await setUp(context);
      if (method === "renew") await bot.once();
      let lost = 0;
      bot.authority.intercept = (call, at) => {
        if (call.method !== method || at !== stage || lost === 3) return;
        lost++;
        throw refusal("API_UNREACHABLE", "the connection was lost");
      };
      const running = bot.start();
      const waits: number[] = [];
      for (let i = 0; i < 3; i++) {
        // While a join fails the output has not begun; while a renewal fails it goes on.
        waits.push(await bot.clock.step(method === "join" ? 1 : 2));
      }
      await bot.clock.asleep(2);
      await running.stop();
      assert.deepEqual(waits, [1_000, 2_000, 4_000]);
      const keys = bot.authority.calls.filter((call) => call.method === method).slice(-4)
        .map(({ publicKey }) => publicKey);
      assert.equal(keys.length, 4);
      assert.equal(new Set(keys).size, 1);
      assert.deepEqual(bot.authority.instances().map(({ locked }) => locked), [false]);
    });
  }
}

test("a crash after the request was sent leads to the same key after the restart", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  bot.authority.intercept = ({ method }, stage) => {
    if (method === "renew" && stage === "reply") throw refusal("API_UNREACHABLE", "lost");
  };
  // In one-shot mode the lost reply ends the process: `key.next` is all that it leaves.
  await assert.rejects(bot.once(), { code: "API_UNREACHABLE" });
  assert.ok(existsSync(join(bot.storage, "key.next")));
  bot.authority.intercept = () => {};
  await bot.once();
  assert.equal((bot.stored().claims as BotClaims).generation, 2);
  assert.deepEqual(bot.authority.instances().map(({ locked }) => locked), [false]);
  assert.ok(!existsSync(join(bot.storage, "key.next")));
});

test("the key of a request is on disk before the request is sent", async (context) => {
  const bot = await setUp(context);
  const seen: boolean[] = [];
  bot.authority.intercept = ({ method, publicKey }, stage) => {
    if (method === "issueIdentity" || stage !== "request") return;
    seen.push(publicKeyOf(readFileSync(join(bot.storage, "key.next"), "utf8")) === publicKey);
  };
  await bot.once();
  await bot.once();
  assert.deepEqual(seen, [true, true]);
});

test("a stored identity serves outputs while the authority refuses to renew it", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  rmSync(join(bot.output, "identity"));
  bot.authority.intercept = ({ method }) => {
    if (method === "renew") throw refusal("UNAVAILABLE", "try later");
  };
  const running = bot.start();
  await bot.clock.asleep(2);
  assert.ok(existsSync(join(bot.output, "identity")));
  await running.stop();
});

test("after seven failures a bot waits for its next round and never ends", async (context) => {
  const bot = await setUp(context, { services: false });
  await bot.once();
  bot.authority.intercept = () => {
    throw refusal("API_UNREACHABLE", "away");
  };
  const running = bot.start();
  const waits: number[] = [];
  for (let i = 0; i < 14; i++) waits.push(await bot.clock.step(1));
  const round = [1, 2, 4, 8, 16, 32, 300].map((seconds) => seconds * 1_000);
  assert.deepEqual(waits, [...round, ...round]);
  await bot.clock.asleep(1);
  bot.authority.intercept = () => {};
  await bot.clock.step(1);
  await bot.clock.asleep(1);
  assert.equal((bot.stored().claims as BotClaims).generation, 2);
  await running.stop();
});

test("a bot whose identity soon runs out does not sleep through its end", async (context) => {
  const bot = await setUp(context, { services: false });
  await bot.once();
  bot.clock.advance(50 * MINUTE);
  bot.authority.intercept = () => {
    throw refusal("API_UNREACHABLE", "away");
  };
  const running = bot.start();
  let left = 10 * MINUTE;
  while (left > 2 * MINUTE) {
    const pause = await bot.clock.step(1);
    assert.ok(pause <= left / 3 + 1_000, `${pause} of ${left} ms`);
    left -= pause;
  }
  await bot.clock.asleep(1);
  bot.authority.intercept = () => {};
  await bot.clock.step(1);
  await bot.clock.asleep(1);
  assert.equal((bot.stored().claims as BotClaims).generation, 2);
  await running.stop();
});

test("an identity that has ended by the machine's clock alone is renewed, and no token is used", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  const late = new Date(bot.clock.now().getTime() + 3 * 60 * MINUTE);
  await bot.once({ clock: { ...bot.clock, sleep: () => new Promise(() => {}), now: () => late } });
  assert.deepEqual(bot.authority.calls.map(({ method }) => method).slice(2), [
    "renew",
    "issueIdentity",
  ]);
});

test("what failed while the authority was away is tried again as soon as the bot has renewed", async (context) => {
  const bot = await setUp(context);
  const running = bot.start();
  await bot.clock.asleep(2);
  const before = identityExpiry(bot.identity());
  bot.authority.intercept = () => {
    throw refusal("API_UNREACHABLE", "away");
  };
  const started = bot.clock.monotonic();
  const passed = () => bot.clock.monotonic() - started - 20 * MINUTE;
  // After 15 seconds the output rests for five minutes; the bot has two tries left.
  while (passed() < 15_000) await bot.clock.step(2);
  await bot.clock.asleep(2);
  bot.authority.intercept = () => {};
  while (passed() < 31_000) await bot.clock.step(2);
  await bot.clock.asleep(2);
  assert.equal(passed(), 31_000);
  assert.ok(identityExpiry(bot.identity()) > before);
  await running.stop();
});

test("an output that cannot be written is tried again, and the others go on", async (context) => {
  const bot = await setUp(context, { second: true });
  const running = bot.start();
  await bot.clock.asleep(3);
  const before = identityExpiry(bot.identity());
  // A file where the directory was: not even root can write into it.
  rmSync(bot.output2, { recursive: true });
  writeFileSync(bot.output2, "");
  bot.reload.request();
  await bot.clock.asleep(3);
  bot.clock.advance(20 * MINUTE);
  await bot.clock.asleep(3);
  assert.ok(identityExpiry(bot.identity()) > before);
  assert.ok(bot.logged("warn").some((line) => line.includes(bot.output2)));
  rmSync(bot.output2);
  bot.clock.advance(20 * MINUTE);
  await bot.clock.asleep(3);
  assert.deepEqual(readdirSync(bot.output2).sort(), OUTPUT_FILES);
  await running.stop();
});

test("after each round the authority hears how the bot fares, and what went wrong last", async (context) => {
  const bot = await setUp(context);
  const running = bot.start();
  await bot.clock.asleep(2);
  bot.authority.intercept = ({ method }) => {
    if (method === "issueIdentity") throw refusal("UNAVAILABLE", "try later");
  };
  bot.clock.advance(20 * MINUTE);
  for (let i = 0; i < 5; i++) await bot.clock.step(2);
  await bot.clock.asleep(2);
  const failing = bot.authority.heartbeats.at(-1);
  assert.deepEqual(failing?.services, [
    { name: "identity", type: "internal/identity", status: "healthy" },
    { name: "identity-1", type: "identity", status: "unhealthy", reason: "try later" },
  ]);
  bot.authority.intercept = () => {};
  bot.reload.request();
  await bot.clock.asleep(2);
  await running.stop();
  const last = bot.authority.heartbeats.at(-1);
  assert.deepEqual(last?.services.map(({ status }) => status), ["healthy", "healthy"]);
  assert.equal(last?.last_error?.service, "identity-1");
  assert.equal(last?.last_error?.reason, "try later");
  assert.equal(last?.interval, 1_200);
  // Tries within a round are not worth a word each.
  assert.ok(bot.authority.heartbeats.length < 12, `${bot.authority.heartbeats.length} heartbeats`);
});

test("one that runs once says so", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  assert.deepEqual(
    bot.authority.heartbeats.map(({ oneshot, services }) => [oneshot, services.length]),
    [[true, 2]],
  );
});

test("a heartbeat that gets no answer holds nothing up", async (context) => {
  const bot = await setUp(context);
  const connect: RunBotOptions["connect"] = (options) => ({
    ...bot.authority.connect(options),
    heartbeat: () => new Promise(() => {}),
  });
  const running = bot.start({ connect });
  await bot.clock.asleep(2);
  const before = identityExpiry(bot.identity());
  await bot.clock.step(2);
  await bot.clock.asleep(2);
  assert.ok(identityExpiry(bot.identity()) > before);
  await running.stop();
});

test("an output that cannot be written is told before the token is used", async (context) => {
  const bot = await setUp(context);
  writeFileSync(bot.output, "a file");
  await assert.rejects(bot.once(), { code: "DESTINATION_UNWRITABLE" });
  assert.deepEqual(bot.authority.calls, []);
});

test("a reload renews bot and outputs at once, and a second one is dropped until it begins", async (context) => {
  const bot = await setUp(context);
  const running = bot.start();
  await bot.clock.asleep(2);
  const before = bot.authority.calls.length;
  assert.equal(bot.reload.request(), true);
  assert.equal(bot.reload.request(), false);
  await bot.clock.asleep(2);
  assert.deepEqual(
    bot.authority.calls.slice(before).map(({ method }) => method).sort(),
    ["issueIdentity", "renew"],
  );
  assert.equal(bot.reload.request(), true);
  await bot.clock.asleep(2);
  await running.stop();
});

test("a changed token makes the bot join anew, and the same one does not", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  await bot.once();
  bot.authority.addToken("other-token");
  await bot.once({ token: "other-token" });
  assert.deepEqual(
    bot.authority.calls.map(({ method }) => method).filter((m) => m !== "issueIdentity"),
    ["join", "renew", "join"],
  );
  assert.equal(bot.authority.instances().length, 2);
});

test("a token that can no longer be read does not cost the identity that was won with it", async (context) => {
  const bot = await setUp(context);
  const file = join(bot.root, "token");
  writeFileSync(file, "secret-token\n");
  await bot.once({ token: file });
  rmSync(file);
  await bot.once({ token: file });
  assert.deepEqual(bot.authority.calls.map(({ method }) => method).slice(2), [
    "renew",
    "issueIdentity",
  ]);
});

test("an expired identity joins again, and without a token says what is missing", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  bot.clock.advance(61 * MINUTE);
  await assert.rejects(bot.once({ token: "" }), {
    code: "CERTIFICATE_EXPIRED",
    message:
      "Cannot renew: the stored identity expired at 2026-11-23T13:00:00.000Z, and no join token is configured",
  });
  await assert.rejects(bot.once(), {
    code: "JOIN_TOKEN_USED",
    message: "The bot's identity ended at 2026-11-23T13:00:00.000Z, and its token joins no more " +
      "(Cannot join: the token has been used): make another with " +
      "`tctl tokens add --type=bot --bot=NAME`, put it in onboarding.token, and reload",
  });
  bot.authority.addToken("second-token");
  await bot.once({ token: "second-token" });
  assert.equal(bot.stored().notAfter.toISOString(), "2026-11-23T14:01:00.000Z");
});

test("nothing stored and no token is an error, not a wait", async (context) => {
  const bot = await setUp(context);
  await assert.rejects(bot.run({ token: "" }), {
    code: "CONFIG_INVALID",
    message: "Cannot join: no existing identity found on disk or join token configured",
  });
});

for (const code of ["JOIN_REFUSED", "JOIN_TOKEN_EXPIRED", "LOCKED", "TLS_UNTRUSTED"] as const) {
  test(`a first join that fails with ${code} ends the bot`, async (context) => {
    const bot = await setUp(context);
    bot.authority.intercept = () => {
      throw refusal(code, "no");
    };
    await assert.rejects(bot.run(), { code });
    assert.equal(bot.authority.calls.length, 1);
  });
}

test("one shot fails at the first failure of an output", async (context) => {
  const bot = await setUp(context);
  bot.authority.intercept = ({ method }) => {
    if (method === "issueIdentity") throw refusal("UNAVAILABLE", "try later");
  };
  await assert.rejects(bot.once(), { code: "UNAVAILABLE" });
  assert.equal(bot.authority.calls.length, 2);
});

test("a stored identity that was damaged is reported, and the bot joins again", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  writeFileSync(join(bot.storage, "identity"), "damaged");
  bot.authority.addToken("second-token");
  await bot.once({ token: "second-token" });
  assert.ok(bot.logged("warn").some((line) => line.includes("no private key")));
  assert.equal(bot.stored().claims.kind, "bot");
});

test("an answer for another key is refused, and what works is kept", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  const before = bot.read("identity");
  const { connect } = bot.authority;
  const mallory = (options: Parameters<typeof connect>[0]) => {
    const client = connect(options);
    const other = { publicKey: publicKeyOf(bot.identity().key) };
    return {
      ...client,
      renew: (request: Parameters<typeof client.renew>[0]) =>
        client.renew({ ...request, ...other }),
    };
  };
  await assert.rejects(bot.once({ connect: mallory }), { code: "API_PROTOCOL" });
  assert.equal(bot.read("identity"), before);
});

test("an identity for another cluster than the service names is not written", async (context) => {
  const bot = await setUp(context, { service: "  cluster: other.test\n" });
  await assert.rejects(bot.once(), {
    code: "CONFIG_INVALID",
    message: 'Cannot write an identity for the cluster "other.test": this is "demo.test"',
  });
  assert.ok(!existsSync(join(bot.output, "identity")));
});

test("roles and allow_reissue of a service reach the certificate", async (context) => {
  const bot = await setUp(context, { service: "  allow_reissue: true\n  roles: [reader]\n" });
  await bot.once();
  const { claims } = readCertificate(bot.identity().tlsCertificate);
  assert.ok(claims.kind === "identity");
  assert.deepEqual([claims.reissue, claims.roles], [true, ["reader"]]);
});

test("an application is one app's identity, with the names that programs insist on", async (context) => {
  const bot = await setUp(context, { application: "specific_tls_naming: true" });
  await bot.once();
  assert.deepEqual(
    readdirSync(bot.output).sort(),
    [
      ...OUTPUT_FILES,
      "tls.cas",
      "tls.crt",
      "tls.key",
    ].sort(),
  );
  const identity = bot.identity();
  const { claims } = readCertificate(identity.tlsCertificate);
  assert.ok(claims.kind === "identity");
  assert.deepEqual([claims.app, claims.reissue], ["files", true]);
  assert.equal(bot.read("tls.crt"), bot.read("tlscert"));
  assert.equal(bot.read("tls.key"), bot.read("key"));
  assert.equal(bot.read("tls.cas"), bot.read("teleport-host-ca.crt"));
});

test("an application has other names only when it is told so", async (context) => {
  const bot = await setUp(context, { application: "specific_tls_naming: false" });
  await bot.once();
  assert.deepEqual(readdirSync(bot.output).sort(), OUTPUT_FILES);
});

test("a tunnel listens before the token is used, has an identity of one app, and is closed", async (context) => {
  const bot = await setUp(context, { tunnel: true });
  const events: string[] = [];
  const used: IdentityFile[] = [];
  const openTunnel: OpenTunnel = ({ app, listen }) => ({
    listen: () => {
      events.push(`listen ${app} ${listen.port} ${bot.authority.calls.length}`);
      return Promise.resolve();
    },
    use: (identity) => void used.push(identity),
    close: () => {
      events.push("close");
      return Promise.resolve();
    },
  });
  const running = bot.start({ openTunnel });
  await bot.clock.asleep(2);
  await bot.clock.step(2);
  await bot.clock.asleep(2);
  await running.stop();
  assert.deepEqual(events, ["listen files 8080 0", "close"]);
  const claims = used.map(({ tlsCertificate }) => readCertificate(tlsCertificate).claims);
  assert.ok(claims.every((it) => it.kind === "identity" && it.app === "files" && it.reissue));
  // The key is never written down, so each identity has a new one.
  assert.equal(new Set(used.map(({ key }) => key)).size, 2);
  await bot.once({ openTunnel });
  assert.equal(events.length, 2);
  assert.ok(bot.logged("warn").some((line) => line.includes("one-shot")));
});

test("a tunnel that cannot listen is told before the token is used", async (context) => {
  const bot = await setUp(context, { tunnel: true });
  const openTunnel: OpenTunnel = () => ({
    listen: () => Promise.reject(refusal("CONFIG_INVALID", "taken")),
    use: () => {},
    close: () => Promise.resolve(),
  });
  await assert.rejects(bot.run({ openTunnel }), { code: "CONFIG_INVALID" });
  assert.deepEqual(bot.authority.calls, []);
});

test("a second bot on the same storage is turned away, and may start when the first has ended", async (context) => {
  const bot = await setUp(context);
  const running = bot.start();
  await bot.clock.asleep(2);
  await assert.rejects(bot.once(), {
    code: "DATA_DIR_IN_USE",
    message: `Cannot use the storage ${bot.storage}: another tbot is using it`,
  });
  await running.stop();
  await bot.once();
});

test("a bot that is told to end during a call ends without waiting for the answer", async (context) => {
  const bot = await setUp(context);
  const called = Promise.withResolvers<void>();
  const connect: RunBotOptions["connect"] = (options) => ({
    ...bot.authority.connect(options),
    join: () => {
      called.resolve();
      return new Promise(() => {});
    },
  });
  const running = bot.start({ connect });
  await called.promise;
  await running.stop();
});

test("a bot in memory joins, writes its output and leaves nothing in a storage", async (context) => {
  const bot = await setUp(context, { storage: "storage: {type: memory}\n" });
  await bot.once();
  assert.ok(existsSync(join(bot.output, "identity")));
  assert.ok(!existsSync(bot.storage));
});

test("a log names no secret", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  await bot.once({ token: "/nowhere/token" });
  const text = bot.logged().join("\n");
  assert.ok(text.length > 0);
  assert.doesNotMatch(text, /secret-token|BEGIN|PRIVATE/);
});

test("a reader of the output during many renewals sees only whole identities", async (context) => {
  const bot = await setUp(context);
  const running = bot.start();
  await bot.clock.asleep(2);
  let renewing = true;
  const expiries = new Set<number>();
  const reader = (async () => {
    while (renewing) {
      const text = await readFile(join(bot.output, "identity"), "utf8");
      expiries.add(identityExpiry(parseIdentityFile(text, "identity")).getTime());
      // Any mixture of the files is valid: the key beside it is the identity's.
      assert.ok(text.startsWith(await readFile(join(bot.output, "key"), "utf8")));
    }
  })();
  for (let i = 0; i < 25; i++) {
    await bot.clock.step(2);
    await bot.clock.asleep(2);
  }
  renewing = false;
  await reader;
  await running.stop();
  assert.ok(expiries.size > 1);
});

interface Setup {
  readonly services?: boolean;
  readonly second?: boolean;
  readonly service?: string;
  /** An `application` in place of the `identity`, with this line. */
  readonly application?: string;
  /** A tunnel in place of it. */
  readonly tunnel?: boolean;
  readonly storage?: string;
  readonly more?: string;
}

type Changes = Partial<Pick<RunBotOptions, "clock" | "connect" | "openTunnel">> & {
  readonly token?: string;
};

async function setUp(context: TestContext, setup: Setup = {}) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "postern-bot-")));
  context.cleanup(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "opt"));
  chmodSync(join(root, "opt"), 0o700);
  const [storage, output, output2] = ["bot", "machine-id", "second"].map((name) =>
    join(root, "opt", name)
  ) as [string, string, string];
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const authority = await FakeAuthority.start(clock);
  authority.addToken("secret-token");
  const lines: { level: string; line: string }[] = [];
  const write = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push({ level, line: `${message} ${JSON.stringify(fields ?? {})}` });
  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  const service = (path: string, more = "") =>
    setup.tunnel
      ? "- type: application-tunnel\n  app_name: files\n  listen: tcp://127.0.0.1:8080\n"
      : `- type: ${setup.application ? "application" : "identity"}\n` +
        `  destination: {type: directory, path: ${path}}\n` +
        (setup.application ? `  app_name: files\n  ${setup.application}\n` : more);
  const config = (token: string, oneshot: boolean) => {
    const onboarding = token === "" ? "" : `, join_method: token, token: ${token}`;
    const text = `version: v2
proxy_server: demo.test:443
onboarding: {ca_pins: ["${caPin(authority.hostCa.certificate)}"]${onboarding}}
${setup.storage ?? `storage: {type: directory, path: ${storage}}\n`}${setup.more ?? ""}services:
${setup.services === false ? "  []\n" : service(output, setup.service)}${
      setup.second ? service(output2) : ""
    }`;
    return parseBotConfig(text, "tbot.yaml", { oneshot }).config;
  };
  const reload = createReload();
  const options = (changes: Changes, oneshot: boolean, signal: AbortSignal): RunBotOptions => ({
    config: config(changes.token ?? "secret-token", oneshot),
    connect: changes.connect ?? authority.connect,
    ...(changes.openTunnel && { openTunnel: changes.openTunnel }),
    clock: changes.clock ?? clock,
    signal,
    reload,
    log,
    // The longest wait each time, so that waits can be told from each other.
    random: () => 1,
  });
  return {
    root,
    storage,
    output,
    output2,
    clock,
    authority,
    reload,
    logged: (level?: string) =>
      lines.filter((entry) => level === undefined || entry.level === level).map(({ line }) => line),
    once: (changes: Changes = {}) => runBot(options(changes, true, context.signal)),
    run: (changes: Changes = {}) => runBot(options(changes, false, context.signal)),
    start(changes: Changes = {}) {
      const controller = new AbortController();
      const done = runBot(options(changes, false, controller.signal));
      context.cleanup(async () => {
        controller.abort();
        await done.catch(() => {});
      });
      return {
        async stop() {
          controller.abort();
          await done;
        },
      };
    },
    read: (file: string) => readFileSync(join(output, file), "utf8"),
    identity: () => parseIdentityFile(readFileSync(join(output, "identity"), "utf8"), "identity"),
    stored() {
      const text = readFileSync(join(storage, "identity"), "utf8");
      return readCertificate(parseIdentityFile(text, "identity").tlsCertificate);
    },
  };
}
