import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmin, openAdmin, serveAdmin } from "../../identity/authority/admin/mod.ts";
import { openCluster } from "../../identity/authority/mod.ts";
import { silentLog } from "../../identity/mod.ts";
import type { LogFields } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const ROLE = "kind: role\nversion: v6\nmetadata: {name: reader}\n";

test("openAdmin() speaks to the running authority, and opens the store when none runs", async (context) => {
  const place = setUp(context);
  const authority = await place.start();
  {
    await using connection = await place.open();
    assert.equal(connection.via, "socket");
    await connection.admin.createResources({ text: ROLE, file: "role.yaml", force: false });
    assert.ok(authority.cluster.view.role("reader"));
  }
  await authority.stop();
  {
    await using connection = await place.open();
    assert.equal(connection.via, "store");
    const [role] = await connection.admin.getResources({ refs: [{ kind: "role" }] });
    assert.equal(role?.metadata.name, "reader");
    await connection.admin.addBot({ name: "example", roles: ["reader"] });
  }
  const again = await place.start();
  assert.equal(again.cluster.view.standing("example", "x").kind, "live");
  await again.stop();
});

test("every operation works over the socket as it does in the process", async (context) => {
  const place = setUp(context);
  const authority = await place.start();
  await using connection = await place.open();
  const { admin } = connection;
  await admin.createResources({ text: ROLE, file: "role.yaml", force: false });
  const bot = await admin.addBot({
    name: "example",
    roles: ["reader"],
    ttl: 60,
    traits: { logins: ["a"] },
    maxSessionTtl: 3600,
  });
  assert.equal(bot.expires, "2026-11-23T12:01:00.000Z");
  assert.equal((await admin.listBots({})).length, 1);
  assert.ok((await admin.updateBot({ name: "example", addLogins: ["b"] })).changed);
  const { token } = await admin.addToken({ bot: "example", ttl: 60 });
  assert.equal((await admin.listTokens({})).length, 2);
  assert.equal((await admin.removeToken({ token })).bot, "example");
  assert.deepEqual(await admin.listInstances({}), []);
  const { name } = await admin.addLock({ bot: "example", message: "wait", ttl: 60 });
  assert.deepEqual(await admin.removeResource({ kind: "lock", name }), { kind: "lock", name });
  assert.deepEqual(await admin.removeBot({ name: "example" }), { name: "example" });
  assert.deepEqual(await admin.status({}), await createAdmin(authority.cluster).status({}));
  const events = await admin.auditEvents({ limit: 2 });
  assert.deepEqual(events.map(({ code }) => code), ["TB003I", "PJT01I"]);
  await authority.stop();
});

test("a failure over the socket keeps its code, its words and its hint", async (context) => {
  const place = setUp(context);
  const authority = await place.start();
  await using connection = await place.open();
  const create = (text: string) =>
    connection.admin.createResources({ text, file: "role.yaml", force: false });
  await create(ROLE);
  await assert.rejects(create(ROLE), {
    name: "IdentityError",
    code: "ALREADY_EXISTS",
    message: 'role "reader" already exists',
    hint: "use -f or --force flag to overwrite",
  });
  await assert.rejects(create(`${ROLE}spec: {alow: {}}\nx: 1\n`), {
    code: "BAD_REQUEST",
    message: /^Cannot use role\.yaml: 2 problems\nrole\.yaml:4:8: .*\nrole\.yaml:5:1: /,
  });
  await authority.stop();
  await assert.rejects(create(ROLE), { code: "API_UNREACHABLE" });
});

const requests: Record<string, [string, string, string, number, string]> = {
  "an operation that there is not": ["POST", "/admin/v1/toString", "{}", 404, "NOT_FOUND"],
  "an argument with an unknown member": [
    "POST",
    "/admin/v1/removeBot",
    '{"name":"x","forse":true}',
    400,
    "BAD_REQUEST",
  ],
  "an argument that is no JSON": ["POST", "/admin/v1/status", "{", 400, "BAD_REQUEST"],
  "a lifetime that is no number": [
    "POST",
    "/admin/v1/addToken",
    '{"bot":"x","ttl":"1h"}',
    400,
    "BAD_REQUEST",
  ],
  "another method": ["GET", "/admin/v1/status", "", 404, "NOT_FOUND"],
};
for (const [what, [method, path, body, status, code]] of Object.entries(requests)) {
  test(`the administration's socket refuses ${what}`, async (context) => {
    const place = setUp(context);
    const authority = await place.start();
    const answer = await send(authority.path, method, path, body);
    assert.equal(answer.status, status);
    assert.equal(JSON.parse(answer.text).error.code, code);
    await authority.stop();
  });
}

test("the socket is its owner's alone, and gone when the authority is", async (context) => {
  const place = setUp(context);
  const authority = await place.start();
  assert.equal(authority.path, join(place.dataDir, "admin", "authority.sock"));
  assert.equal(statSync(authority.path).mode & 0o777, 0o600);
  assert.equal(statSync(join(place.dataDir, "admin")).mode & 0o777, 0o700);
  await authority.stop();
  assert.ok(!existsSync(authority.path));
});

test("a socket that a crash left behind is in nobody's way", async (context) => {
  const place = setUp(context);
  const first = await place.start();
  await first.crash();
  {
    await using connection = await place.open();
    assert.equal(connection.via, "store");
  }
  const second = await place.start();
  await using connection = await place.open();
  assert.equal(connection.via, "socket");
  await second.stop();
});

test("a file in the socket's place is kept, and said so", async (context) => {
  const place = setUp(context);
  mkdirSync(join(place.dataDir, "admin"), { recursive: true });
  const file = join(place.dataDir, "admin", "authority.sock");
  writeFileSync(file, "mine");
  await assert.rejects(place.start(), { code: "CONFIG_INVALID", message: /it is not a socket$/ });
  assert.equal(readFileSync(file, "utf8"), "mine");
});

test("a data directory with a long path has its socket elsewhere, and tctl finds it", async (context) => {
  const place = setUp(context, "d".repeat(100));
  const authority = await place.start();
  assert.ok(authority.path.length <= 100);
  await using connection = await place.open();
  assert.equal(connection.via, "socket");
  assert.equal((await connection.admin.status({})).cluster, "example.test");
  await authority.stop();
  assert.ok(!existsSync(join(authority.path, "..")));
  {
    await using direct = await place.open();
    assert.equal(direct.via, "store");
  }
  const again = await place.start();
  await again.crash();
  const third = await place.start();
  assert.ok(!existsSync(again.path));
  await third.stop();
});

for (const note of ["", "elsewhere/authority.sock"]) {
  test(`a note of the socket's place that says "${note}" costs nobody a file`, async (context) => {
    const place = setUp(context);
    const kept = join(place.dataDir, "elsewhere", "kept");
    mkdirSync(join(kept, ".."), { recursive: true });
    mkdirSync(join(place.dataDir, "admin"));
    writeFileSync(kept, "mine");
    const told = note && join(place.dataDir, note);
    writeFileSync(join(place.dataDir, "admin", "authority.sock.path"), told);
    const authority = await place.start();
    assert.equal(authority.path, join(place.dataDir, "admin", "authority.sock"));
    await using connection = await place.open();
    assert.equal(connection.via, "socket");
    assert.equal(readFileSync(kept, "utf8"), "mine");
    await authority.stop();
  });
}

test("openAdmin() makes no cluster where there is none", async (context) => {
  const place = setUp(context);
  await assert.rejects(place.open(), {
    code: "NOT_FOUND",
    message: `There is no cluster in ${place.dataDir}`,
  });
  assert.ok(!existsSync(place.dataDir));
});

test("openAdmin() waits for an authority that has the store and no socket yet", async (context) => {
  const place = setUp(context);
  const authority = await place.start({ serve: false });
  const opening = place.open();
  await place.clock.asleep(1);
  const served = await serveAdmin(createAdmin(authority.cluster), place.dataDir);
  place.clock.advance(100);
  await using connection = await opening;
  assert.equal(connection.via, "socket");
  await served.close();
  await authority.stop();
});

test("openAdmin() gives up when the store is in use and nobody answers", async (context) => {
  const place = setUp(context);
  const authority = await place.start({ serve: false });
  const opening = assert.rejects(place.open(), { code: "DATA_DIR_IN_USE" });
  for (let pause = 1; pause < 50; pause++) await place.clock.step(1);
  await opening;
  await authority.stop();
});

test("what fails inside is told to the log, and not to the caller", async (context) => {
  const place = setUp(context);
  const logged: LogFields[] = [];
  const authority = await place.start({ serve: false });
  const admin = createAdmin(authority.cluster);
  const broken = { ...admin, status: () => Promise.reject(new Error("disk on fire")) };
  const log = { ...silentLog, error: (_: string, fields: LogFields = {}) => logged.push(fields) };
  const served = await serveAdmin(broken, place.dataDir, log);
  await using connection = await place.open();
  await assert.rejects(connection.admin.status({}), (error: Error & { code: string }) => {
    assert.equal(error.code, "INTERNAL");
    assert.ok(!error.message.includes("fire"));
    return true;
  });
  assert.match(String(logged[0]?.["error"]), /disk on fire/);
  await served.close();
  await authority.stop();
});

function send(
  socketPath: string,
  method: string,
  path: string,
  body: string,
): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { connection: "close", "content-length": String(body.length) };
    const call = request({ socketPath, method, path, agent: false, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => text += String(chunk));
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    call.on("error", reject);
    call.end(body);
  });
}

function setUp(context: TestContext, subdirectory = "data") {
  const root = mkdtempSync(join(tmpdir(), "postern-socket-"));
  context.cleanup(() => rmSync(root, { recursive: true, force: true }));
  const dataDir = join(root, subdirectory);
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  return {
    dataDir,
    clock,
    open: () => openAdmin({ dataDir, clock, log: silentLog }),
    async start({ serve = true } = {}) {
      const store = openSqliteStore({ directory: dataDir, now: clock.now });
      try {
        const name = "example.test";
        const cluster = await openCluster({ store, name, clock, log: silentLog });
        const server = serve ? await serveAdmin(createAdmin(cluster), dataDir) : undefined;
        const path = server?.path ?? "";
        return {
          cluster,
          path,
          async stop() {
            await server?.close();
            await store.close();
          },
          /** Leaves behind what a process that was killed leaves: a socket that nobody hears. */
          async crash() {
            const record = join(dataDir, "admin", "authority.sock.path");
            const note = existsSync(record) ? readFileSync(record, "utf8") : undefined;
            await server?.close();
            mkdirSync(join(path, ".."), { recursive: true });
            await leaveSocket(path);
            if (note !== undefined) writeFileSync(record, note);
            await store.close();
          },
        };
      } catch (error) {
        await store.close();
        throw error;
      }
    },
  };
}

/** A socket in the file system that nobody listens at. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.new`, resolve));
  // Under another name it outlives its server.
  renameSync(`${path}.new`, path);
  await new Promise((resolve) => server.close(resolve));
  assert.ok(statSync(path).isSocket());
}
