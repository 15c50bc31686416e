// The process that writes is killed at random places; POSTERN_KILLS says how often (500 by hand).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";
import { test } from "../support/harness.ts";

const KILLS = Number(process.env["POSTERN_KILLS"] ?? 8);
const WRITER = fileURLToPath(new URL("../support/store_writer.ts", import.meta.url));
const sealing = { key: new Uint8Array(32).fill(7) };

/** Lets it write until it is killed, by us or by itself; the last write that it was told of. */
async function writeAndDie(directory: string, after: number, within: boolean): Promise<number> {
  const run = "Bun" in globalThis ? [] : ["run", "-A", "--no-check"];
  const args = [...run, WRITER, directory, within ? String(after) : ""];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let confirmed = 0;
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    confirmed = Number(line);
    if (++lines === after && !within) child.kill("SIGKILL");
  }
  const [, signal] = await ended;
  assert.equal(signal, "SIGKILL");
  return confirmed;
}

test(`a store whose process is killed ${KILLS} times loses no confirmed write and keeps no half one`, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-killed-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  let known = 0;
  for (let round = 0; round < KILLS; round++) {
    const after = randomInt(1, 40);
    const within = round % 2 === 0;
    known = Math.max(known, await writeAndDie(directory, after, within));
    const store = openSqliteStore({ directory, now: () => new Date(), sealing });
    const generation = async (kind: "ca" | "instance", name: string) =>
      (await store.get<{ generation: number }>(kind, name))?.value.generation ?? 0;
    const stored = await generation("instance", "i");
    const story = `round ${round}, killed ${within ? "within" : "after"} write ${after}`;
    assert.ok(stored >= known, `${story}: ${known} was confirmed, ${stored} is stored`);
    if (within) assert.equal(stored, known, `${story}: a half write is stored`);
    assert.equal(await generation("ca", "keys"), stored, story);
    const tokens = (await store.list("token")).map(({ name }) => name);
    assert.deepEqual(tokens, stored === 0 ? [] : [`t${stored}`], story);
    known = stored;
    await store.close();
    const database = new DatabaseSync(join(directory, "cluster.sqlite"), { readOnly: true });
    const [verdict] = Object.values(database.prepare("PRAGMA integrity_check").get() ?? {});
    database.close();
    assert.equal(verdict, "ok", story);
  }
  assert.ok(known > 0);
});
