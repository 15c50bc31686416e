import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCluster } from "../../identity/authority/mod.ts";
import { silentLog } from "../../identity/mod.ts";
import { parseSealingKey, Sealer } from "../../identity/storage/seal.ts";
import type { SealingKeys } from "../../identity/storage/seal.ts";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const first = new Uint8Array(32).fill(1);
const second = new Uint8Array(32).fill(2);

function place(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "postern-seal-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  return {
    /** The host CA's key of the cluster, made when there is none. */
    async open(sealing?: SealingKeys): Promise<string> {
      const store = openSqliteStore({ directory, now: clock.now, sealing });
      try {
        const cluster = await openCluster({ store, clock, log: silentLog });
        await cluster.audit.close();
        return JSON.stringify(cluster.keys);
      } finally {
        await store.close();
      }
    },
    /** Every byte of every file. */
    bytes: () =>
      readdirSync(directory).map((name) => readFileSync(join(directory, name), "latin1")).join(""),
    edit(sql: string) {
      const database = new DatabaseSync(join(directory, "cluster.sqlite"));
      database.exec(sql);
      database.close();
    },
  };
}

test("without a key private keys lie open in the file, with one no byte of them does", async (context) => {
  const open = place(context);
  await open.open();
  assert.match(open.bytes(), /PRIVATE KEY/);
  const sealed = place(context);
  await sealed.open({ key: first });
  assert.doesNotMatch(sealed.bytes(), /PRIVATE KEY/);
});

test("a key that is set for a cluster which is there encrypts it, and leaves nothing behind", async (context) => {
  const { open, bytes } = place(context);
  const keys = await open();
  assert.equal(await open({ key: first }), keys);
  assert.doesNotMatch(bytes(), /PRIVATE KEY/);
  assert.equal(await open({ key: first }), keys);
});

test("what an encryption that was cut off has left behind is removed at the next start", async (context) => {
  const { open, bytes, edit } = place(context);
  const keys = await open({ key: first });
  const filler = "'-----BEGIN PRIVATE KEY-----' || hex(randomblob(20000))";
  edit(`PRAGMA secure_delete = OFF;
    INSERT INTO items VALUES ('settings', 'filler', 0, ${filler}, NULL);
    DELETE FROM items WHERE name = 'filler';
    INSERT INTO items VALUES ('settings', 'vacuum_pending', 0, 'true', NULL);`);
  assert.match(bytes(), /BEGIN PRIVATE KEY/);
  assert.equal(await open({ key: first }), keys);
  assert.doesNotMatch(bytes(), /BEGIN PRIVATE KEY/);
});

test("a key is replaced while the one before is still known, and not needed afterwards", async (context) => {
  const { open } = place(context);
  const keys = await open({ key: first });
  assert.equal(await open({ key: second, previous: [first] }), keys);
  assert.equal(await open({ key: second }), keys);
  await assert.rejects(open({ key: first }), { code: "STORE_SEALED" });
});

test("without its key, and with another, a cluster is not opened and not changed", async (context) => {
  const { open } = place(context);
  const keys = await open({ key: first });
  await assert.rejects(open(), {
    code: "STORE_SEALED",
    message: /encrypted with the key [0-9a-f]{16}, and no key is configured/,
    hint: /key_encryption/,
  });
  await assert.rejects(open({ key: second }), {
    code: "STORE_SEALED",
    message: /encrypted with the key [0-9a-f]{16}, and the configured key is [0-9a-f]{16}/,
  });
  assert.equal(await open({ key: first }), keys);
});

test("an envelope that was changed, or moved to another place, is refused", async (context) => {
  const swapped = place(context);
  await swapped.open({ key: first });
  swapped.edit(
    "UPDATE items SET value = (SELECT value FROM items WHERE kind='ca' AND name='jwt') WHERE kind='ca'",
  );
  await assert.rejects(swapped.open({ key: first }), {
    code: "STORE_INVALID",
    message: /ca\/keys/,
  });

  const sealer = new Sealer({ key: first });
  const sealed = sealer.seal("ca/keys", "text");
  assert.equal(sealer.open("ca/keys", sealed), "text");
  assert.notEqual(sealer.seal("ca/keys", "text"), sealed);
  const head = sealed.lastIndexOf(":") + 1;
  const bytes = Buffer.from(sealed.slice(head), "base64url");
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    const text = sealed.slice(0, head) + changed.toString("base64url");
    assert.throws(() => sealer.open("ca/keys", text), { code: "STORE_INVALID" }, `byte ${at}`);
  }
  assert.throws(() => sealer.open("ca/keys", '{"plain":1}'), { code: "STORE_INVALID" });
  assert.throws(() => sealer.open("ca/keys", sealed.replace(":v1:", ":v2:")), {
    code: "STORE_SEALED",
    message: /of v2/,
  });
});

test("parseSealingKey() takes 32 bytes in base64 or hex, and nothing that is nearly so", () => {
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7));
  for (const text of [bytes.toString("base64"), `${bytes.toString("hex")}\n`]) {
    assert.deepEqual(Buffer.from(parseSealingKey(text)), bytes);
  }
  assert.deepEqual(Buffer.from(parseSealingKey(bytes.toString("base64url"))), bytes);
  for (
    const text of ["", "password", bytes.toString("hex").slice(2), bytes.toString("base64") + "A"]
  ) {
    assert.throws(() => parseSealingKey(text), (error: Error & { code?: string }) => {
      assert.equal(error.code, "STORE_SEALED");
      assert.ok(text === "" || !error.message.includes(text));
      return true;
    });
  }
});
