import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tbot } from "../../cli/commands/tbot.ts";
import { parseBotConfig } from "../../identity/bot/mod.ts";
import { parseBoundKey } from "../../identity/join/mod.ts";
import { connectAuthority, IdentityError, silentLog, systemClock } from "../../identity/mod.ts";
import { toAuthorizedKey } from "../../identity/ssh/mod.ts";
import { test, type TestContext } from "../support/harness.ts";

function setUp(context: TestContext, env: Record<string, string> = {}) {
  const root = mkdtempSync(join(tmpdir(), "postern-keypair-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const warnings: string[] = [];
  const run = async (...args: string[]): Promise<string> => {
    let printed = "";
    await tbot({
      env,
      stdout: { write: (text) => printed += text },
      stderr: { write: () => {} },
      clock: systemClock,
      signal: context.signal,
      onSignal: () => () => {},
      onClockJump: () => () => {},
      selfCommand: ["tbot"],
      openLog: () => ({ ...silentLog, warn: (message) => void warnings.push(message) }),
      connect: connectAuthority,
      version: "1",
    }).parseAsync(args, { from: "user" });
    return printed;
  };
  return { root, run, warnings, storage: join(root, "bot") };
}

/** The line to register in what is printed. */
function lineIn(printed: string): string {
  const line = /^\t(ssh-ed25519 \S+)$/m.exec(printed)?.[1];
  assert.ok(line, printed);
  return line;
}

test("`tbot keypair create` keeps a key in the storage, and prints its public half", async (context) => {
  const { run, storage, warnings } = setUp(context);
  const printed = await run("keypair", "create", "--proxy-server=x:443", "--storage", storage);
  const file = join(storage, "bound_key");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const { publicKey } = parseBoundKey(readFileSync(file, "utf8"), file);
  assert.equal(lineIn(printed), toAuthorizedKey(publicKey));
  assert.doesNotMatch(printed, /PRIVATE/);
  assert.deepEqual(warnings, []);

  // It is kept, and said to be; until it is to be another.
  const json = ["keypair", "create", "--storage", storage, "--format=json"];
  assert.deepEqual(JSON.parse(await run(...json)), { public_key: lineIn(printed) });
  assert.match(warnings.join(), /there is a key already/);
  // What belongs to the old key goes with it.
  writeFileSync(join(storage, "join_state"), "of the old key");
  const { public_key } = JSON.parse(await run(...json, "--overwrite"));
  assert.notEqual(public_key, lineIn(printed));
  assert.match(warnings.join(), /is overwritten/);
  assert.ok(!existsSync(join(storage, "join_state")));
});

test("`tbot keypair create --static` prints the key for the environment, or writes it to a file", async (context) => {
  const { root, run } = setUp(context);
  const printed = await run("keypair", "create", "--static");
  const encoded = /TBOT_BOUND_KEYPAIR_STATIC_KEY="([A-Za-z0-9+/=]+)"/.exec(printed)?.[1];
  assert.ok(encoded, printed);
  assert.equal(toAuthorizedKey(parseBoundKey(encoded, "").publicKey), lineIn(printed));
  const { private_key, public_key } = JSON.parse(
    await run("keypair", "create", "--static", "--format=json"),
  );
  assert.equal(toAuthorizedKey(parseBoundKey(private_key, "").publicKey), public_key);

  const path = join(root, "static-key");
  const told = await run("keypair", "create", "--static", "--static-key-path", path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const key = readFileSync(path, "utf8");
  assert.equal(toAuthorizedKey(parseBoundKey(key, path).publicKey), lineIn(told));
  assert.doesNotMatch(told, /PRIVATE|STATIC_KEY/);
  await assert.rejects(run("keypair", "create", "--static-key-path", path), (error) => {
    assert.ok(error instanceof IdentityError);
    assert.equal(error.message, `Cannot write the key to ${path}: EEXIST`);
    return true;
  });
  assert.equal(readFileSync(path, "utf8"), key);
  const other = join(root, "other-key");
  const json = ["keypair", "create", "--static", "--format=json", "--static-key-path", other];
  assert.deepEqual(Object.keys(JSON.parse(await run(...json))), ["public_key"]);
  chmodSync(path, 0o644);
  await run("keypair", "create", "--static-key-path", path, "--overwrite");
  assert.equal(statSync(path).mode & 0o777, 0o600, "a file that others could read is one no more");
});

test("a key is not kept in the memory", async (context) => {
  const { run } = setUp(context);
  await assert.rejects(run("keypair", "create", "--storage=memory://"), {
    code: "CONFIG_INVALID",
    message: "Cannot keep a key in the memory",
  });
});

test("`tbot configure` writes what the options for bound_keypair say", async (context) => {
  const { run } = setUp(context, { TBOT_REGISTRATION_SECRET: "from-the-environment" });
  const options = ["configure", "identity", "--destination=/opt/id", "--storage=/opt/bot"];
  const configured = async (...more: string[]) => {
    const text = await run(...options, ...more);
    return parseBotConfig(text, "tbot.yaml").config;
  };
  const byName = await configured(
    ...["--proxy-server=a.test:443", "--join-method=bound_keypair", "--token=robot-1"],
    ...["--registration-secret=secret", "--static-key-path=/etc/key"],
  );
  assert.equal(byName.proxyServer, "a.test:443");
  assert.deepEqual(byName.onboarding, {
    joinMethod: "bound_keypair",
    token: "robot-1",
    secret: { text: "secret", from: "the configuration" },
    staticKey: { path: "/etc/key" },
  });
  const byPath = await configured(
    ...["--proxy-server=a.test:443", "--join-method=bound_keypair", "--token=robot-1"],
    "--registration-secret-path=/etc/secret",
  );
  assert.deepEqual(byPath.onboarding, {
    joinMethod: "bound_keypair",
    token: "robot-1",
    secret: { path: "/etc/secret" },
  });
  const byEnvironment = await configured(
    "--join-uri=tbot+proxy+bound-keypair://robot-1@a.test:443",
  );
  assert.deepEqual(byEnvironment.onboarding, {
    joinMethod: "bound_keypair",
    token: "robot-1",
    secret: { text: "from-the-environment", from: "the configuration" },
  });
  await assert.rejects(
    run(...options, "--join-uri=tbot+proxy+token://t@a.test", "--token=other"),
    { code: "CONFIG_INVALID", message: "Cannot use --join-uri beside what it says itself" },
  );
});

test("`tbot check` judges the section bound_keypair", async (context) => {
  const { root, run } = setUp(context);
  const file = join(root, "tbot.yaml");
  const write = (section: string, storage = "storage: {type: directory, path: /opt/bot}\n") =>
    writeFileSync(
      file,
      "version: v2\nproxy_server: a.test:443\nonboarding:\n  join_method: bound_keypair\n" +
        `  token: robot-1\n${section}${storage}`,
    );
  write("  bound_keypair: {registration_secret_path: /etc/secret}\n");
  assert.match(await run("check", "-c", file), /: ok, 0 services/);
  write("  bound_keypair: {registration_secret: a, registration_secret_path: /etc/secret}\n");
  await assert.rejects(run("check", "-c", file), /6:18: .*one of them/);
  write("  bound_keypair: {static_key: /etc/key}\n");
  await assert.rejects(run("check", "-c", file), /6:19: unknown key `static_key`/);
});
