// A machine that joins by a key of its own, on the compiled programs: what it lives through, and what
// its owner does about it.
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Finished, runProgram } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "a machine registers its key, recovers by it, is stopped at the limit, and a copy locks the token",
  async (context) => {
    const guide = await Guide.start(context);
    const { directory } = guide;
    const storage = join(directory, "bot");
    const create = (section: object, name = "robot-1") =>
      guide.tctl(
        "create",
        "-f",
        guide.write(
          `${name}.yaml`,
          JSON.stringify({
            kind: "token",
            version: "v2",
            metadata: { name },
            spec: {
              roles: ["Bot"],
              join_method: "bound_keypair",
              bot_name: "example",
              bound_keypair: section,
            },
          }),
        ),
      );
    const status = async (...args: string[]) => {
      const text = await guide.tctl("get", "token/robot-1", "--format=json", ...args);
      return JSON.parse(text)[0].status.bound_keypair;
    };
    const tbot = (args: string[], env: Record<string, string> = {}): Promise<Finished> =>
      runProgram("tbot", args, {
        cwd: directory,
        env: { PATH: process.env["PATH"] ?? "", ...env },
      });
    const write = async (more: string, at = storage, token = "robot-1") => {
      await guide.writeBotFile({ token, storage: at });
      const text = readFileSync(join(directory, "tbot.yaml"), "utf8");
      guide.write("tbot.yaml", text.replace("join_method: token", `join_method: ${more}`));
    };
    const start = (env?: Record<string, string>) =>
      tbot(["start", "-c", "tbot.yaml", "--oneshot"], env);
    const works = async (env?: Record<string, string>) => {
      const { code, stderr } = await start(env);
      assert.equal(code, 0, stderr);
    };
    const fails = async (says: RegExp) => {
      const { code, stderr } = await start();
      assert.equal(code, 1);
      assert.match(stderr, says);
    };

    // By the secret, which is in the environment; then by the key alone.
    await create({});
    assert.equal((await status()).registration_secret, undefined);
    const { registration_secret: secret } = await status("--with-secrets");
    await write("bound_keypair");
    await fails(/no key is bound to its token yet, and it shows no registration secret/);
    await works({ TBOT_REGISTRATION_SECRET: secret });
    await works();
    const client = await guide.open();
    assert.equal(await client.call("echo", { message: "by its key" }), "Echo: by its key");
    await client.close();
    for (const file of readdirSync(storage)) {
      assert.equal(statSync(join(storage, file)).mode & 0o777, 0o600, file);
    }
    assert.match(
      await guide.tctl("bots", "instances", "ls"),
      /^example\/[0-9a-f]{32} +2 +bound_keypair /m,
    );

    // Its certificate is gone: it would recover, and may not.
    rmSync(join(storage, "identity"));
    await fails(/the recovery limit of its token is reached: 1 of 1 are used/);
    await create({ recovery: { limit: 2 } });
    await works();
    assert.equal((await status()).recovery_count, 2);

    // A copy of the storage is used: the one that comes second gives both away.
    const copy = join(directory, "copy");
    cpSync(storage, copy, { recursive: true });
    await write("bound_keypair", copy);
    await works();
    await write("bound_keypair");
    await fails(/its join state is 3, and 4 was given; the join token "robot-1" is locked/);
    await fails(/is locked: its keypair was used on two machines/);
    await write("bound_keypair", copy);
    await fails(/is locked: its keypair was used on two machines/);
    const [lock] = JSON.parse(await guide.tctl("get", "locks", "--format=json"));
    assert.deepEqual(lock.spec.target, { join_token: "robot-1" });

    // The owner finds the copy, and lets the right one in again, with another key.
    await guide.tctl("rm", `lock/${lock.metadata.name}`);
    await create({ recovery: { mode: "insecure" } });
    await write("bound_keypair");
    await works();
    await create({ recovery: { limit: 9 } });
    const before = (await status()).bound_public_key;
    await guide.tctl("bound-keypair", "rotate", "robot-1");
    await works();
    assert.notEqual((await status()).bound_public_key, before);
    await works();

    // A machine that keeps nothing: a static key, registered beforehand.
    const made = await tbot(["keypair", "create", "--static", "--format=json"]);
    const { private_key, public_key } = JSON.parse(made.stdout);
    await create({
      onboarding: { initial_public_key: public_key },
      recovery: { mode: "insecure" },
    }, "job");
    for (const run of ["one", "two"]) {
      await write("bound_keypair", join(directory, run), "job");
      await works({ TBOT_BOUND_KEYPAIR_STATIC_KEY: private_key });
    }
    // One that keeps its key, which it has made before anybody knew of it.
    const kept = join(directory, "kept");
    const create2 = await tbot(["keypair", "create", "--storage", kept, "--proxy-server", "x:443"]);
    assert.equal(create2.code, 0, create2.stderr);
    const key = /^\t(ssh-ed25519 \S+)$/m.exec(create2.stdout)?.[1];
    assert.ok(key, create2.stdout);
    await create({ onboarding: { initial_public_key: key } }, "kept");
    await write("bound_keypair", kept, "kept");
    await works();
  },
  { proves: ["join.bound_keypair"] },
);
