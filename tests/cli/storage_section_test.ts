import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDatabase } from "../../cli/commands/_database.ts";
import { parseClusterConfig } from "../../cli/config/teleport_yaml.ts";
import { systemClock } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";

const section = (text: string) =>
  parseClusterConfig(`teleport: {storage: ${text}}`, "teleport.yaml").storage;
const read = (text: string) => readDatabase(section(text), systemClock);

test("teleport.storage names a database, by its connection string or where that is found", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-storage-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "database");
  writeFileSync(file, "postgresql://me:hunter2@db/x\n");
  const url = "postgresql://me:hunter2@db/x";
  assert.equal(await read(`{type: postgresql, conn_string: "${url}"}`), url);
  assert.equal((await read(`{type: postgresql, conn_string: {file: ${file}}}`))?.trim(), url);
  assert.equal(
    (await read(`{type: postgresql, conn_string: {command: [cat, ${file}]}}`))?.trim(),
    url,
  );
  assert.equal(await read("{type: sqlite}"), undefined);
  assert.equal(await read("{type: dir}"), undefined);
  assert.equal(await readDatabase(undefined, systemClock), undefined);
});

test("a section that cannot be used is refused", async () => {
  for (
    const text of [
      "{type: postgresql}",
      "{type: etcd}",
      "{type: sqlite, conn_string: x}",
      "{type: postgresql, conn_string: {file: a, env: B}}",
      "{type: postgresql, conn_string: postgresql://me@db/x, auth_mode: azure}",
    ]
  ) assert.throws(() => section(text), { code: "CONFIG_INVALID" }, text);
  await assert.rejects(read("{type: postgresql, conn_string: {file: /nowhere/database}}"), {
    code: "CONFIG_INVALID",
    message: /\/nowhere\/database.*ENOENT/,
  });
});
