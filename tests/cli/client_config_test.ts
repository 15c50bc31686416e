import assert from "node:assert/strict";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { chmodSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientFile, updateClientFile } from "../../cli/commands/_client_config.ts";
import { test, type TestContext } from "../support/harness.ts";

const ENTRY = { command: "/opt/tsh", args: ["mcp", "connect", "<a&b>"] };

function folder({ cleanup }: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "postern-client-"));
  cleanup(() => rmSync(root, { recursive: true }));
  return root;
}

const update = (path: string, format: Parameters<typeof updateClientFile>[3] = "auto") =>
  updateClientFile(
    clientFile(path, { env: {}, platform: "linux" }),
    "teleport-mcp-a",
    ENTRY,
    format,
  );

const SERVER = '"teleport-mcp-a":{"command":"/opt/tsh","args":["mcp","connect","<a&b>"]}';

test("a client's file keeps unknown keys, their order, its mode, its indent and its link", async (context) => {
  const root = folder(context);
  const path = join(root, "real.json");
  writeFileSync(
    path,
    '{\n\t"z": [1, "ü"],\n\t"mcpServers": {"x": {"command": "y"}},\n\t"a": null\n}\n',
  );
  chmodSync(path, 0o600);
  const link = join(root, "link.json");
  symlinkSync(path, link);
  await update(link);
  const text = readFileSync(path, "utf8");
  assert.equal(
    JSON.stringify(JSON.parse(text)),
    `{"z":[1,"ü"],"mcpServers":{"x":{"command":"y"},${SERVER}},"a":null}`,
  );
  assert.match(text, /^\{\n\t"z"/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.ok(lstatSync(link).isSymbolicLink());
  await update(link);
  assert.equal(readFileSync(path, "utf8"), text);
});

test("a compact file stays compact; a new one is pretty and 0644", async (context) => {
  const root = folder(context);
  const compact = join(root, "compact.json");
  writeFileSync(compact, '{"b":1}');
  await update(compact);
  assert.equal(readFileSync(compact, "utf8"), `{"b":1,"mcpServers":{${SERVER}}}`);
  await update(compact, "pretty");
  assert.match(readFileSync(compact, "utf8"), /^\{\n {2}"b": 1,\n/);
  mkdirSync(join(root, ".vscode"));
  const fresh = join(root, ".vscode", "mcp.json");
  await update(fresh);
  assert.equal(JSON.stringify(JSON.parse(readFileSync(fresh, "utf8"))), `{"servers":{${SERVER}}}`);
  assert.equal(statSync(fresh).mode & 0o777, 0o644);
});

for (
  const text of [
    '{"a": 1, // why\n "b": 2}',
    '{"a": 1, "a": 2}',
    '{"b": 1, "1": 2}',
    '{"n": 12345678901234567890}',
    '{"mcpServers": []}',
    "[]",
    '{"cut": ',
  ]
) {
  test(`a client's file that cannot be kept whole is left alone: ${text}`, async (context) => {
    const root = folder(context);
    const path = join(root, "mcp.json");
    writeFileSync(path, text);
    await assert.rejects(update(path), { code: "CONFIG_INVALID" });
    assert.equal(readFileSync(path, "utf8"), text);
    assert.deepEqual(readdirSync(root), ["mcp.json"]);
  });
}

test("clientFile() knows where clients keep their servers", () => {
  const on = (platform: string) => (client: string) =>
    clientFile(client, { env: { HOME: "/h" }, platform });
  assert.equal(on("linux")("claude").path, "/h/.config/Claude/claude_desktop_config.json");
  assert.equal(on("linux")("claude-code").path, "/h/.claude.json");
  assert.deepEqual(on("linux")("cursor"), { path: "/h/.cursor/mcp.json", key: "mcpServers" });
  assert.deepEqual(on("darwin")("vscode"), {
    path: "/h/Library/Application Support/Code/User/mcp.json",
    key: "servers",
  });
  assert.throws(() => clientFile("claude", { env: {}, platform: "linux" }), /HOME is not set/);
});
