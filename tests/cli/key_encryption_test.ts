import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSealingKeys } from "../../cli/commands/_sealing_keys.ts";
import { parseClusterConfig } from "../../cli/config/teleport_yaml.ts";
import { systemClock } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";

const section = (text: string) =>
  parseClusterConfig(`auth_service: {key_encryption: ${text}}`, "teleport.yaml").keyEncryption;

test("key_encryption takes its keys from a file and a command, and never from the configuration", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-key-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "key");
  writeFileSync(file, `${Buffer.alloc(32, 1).toString("base64")}\n`);
  const hex = "02".repeat(32);
  const keys = await readSealingKeys(
    section(`{key: {file: ${file}}, previous_keys: [{command: [echo, "${hex}"]}]}`),
    systemClock,
  );
  assert.deepEqual(Buffer.from(keys!.key), Buffer.alloc(32, 1));
  assert.deepEqual(keys!.previous!.map((key) => Buffer.from(key)), [Buffer.alloc(32, 2)]);
  assert.equal(await readSealingKeys(undefined, systemClock), undefined);
  assert.throws(() => section(`{key: {value: "${hex}"}}`), { code: "CONFIG_INVALID" });
  assert.throws(() => section(`{key: {file: ${file}, env: KEY}}`), { code: "CONFIG_INVALID" });
});

test("a key that cannot be fetched or is none stops the start, and the error does not tell it", async () => {
  const read = (text: string) => readSealingKeys(section(text), systemClock);
  await assert.rejects(read("{key: {file: /nowhere/key}}"), {
    code: "STORE_SEALED",
    message: /\/nowhere\/key: ENOENT/,
  });
  await assert.rejects(read("{key: {command: [echo, hunter2]}}"), (error: Error) => {
    assert.match(error.message, /not 32 bytes/);
    assert.doesNotMatch(String(error.stack), /hunter2/);
    return true;
  });
});
