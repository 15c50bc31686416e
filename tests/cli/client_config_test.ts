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

const update = (path: string, format: Parameters<typeof updateClientFile>[2] = "auto") =>
  updateClientFile(
    clientFile(path, { env: {}, platform: "linux" }),
    (servers) => void (servers["teleport-mcp-a"] = ENTRY),
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

const WINDOWS = { USERPROFILE: "C:\\Users\\x", APPDATA: "D:\\Roaming" };

const places: [string, Record<string, string>, string, string, "mcpServers" | "servers"][] = [
  ["linux", { HOME: "/h" }, "claude", "/h/.config/Claude/claude_desktop_config.json", "mcpServers"],
  ["linux", { HOME: "/h" }, "claude-code", "/h/.claude.json", "mcpServers"],
  ["linux", { HOME: "/h" }, "cursor", "/h/.cursor/mcp.json", "mcpServers"],
  ["linux", { HOME: "/h" }, "vscode", "/h/.config/Code/User/mcp.json", "servers"],
  [
    "linux",
    { HOME: "/h", XDG_CONFIG_HOME: "/x" },
    "claude",
    "/x/Claude/claude_desktop_config.json",
    "mcpServers",
  ],
  [
    "linux",
    { HOME: "/h", CLAUDE_CONFIG_DIR: "/h/alt" },
    "claude-code",
    "/h/alt/.claude.json",
    "mcpServers",
  ],
  ["linux", {}, "/p/.vscode/mcp.json", "/p/.vscode/mcp.json", "servers"],
  ["linux", {}, "/p/vscode/mcp.json", "/p/vscode/mcp.json", "mcpServers"],
  [
    "darwin",
    { HOME: "/Users/x" },
    "claude",
    "/Users/x/Library/Application Support/Claude/claude_desktop_config.json",
    "mcpServers",
  ],
  ["darwin", { HOME: "/Users/x" }, "claude-code", "/Users/x/.claude.json", "mcpServers"],
  ["darwin", { HOME: "/Users/x" }, "cursor", "/Users/x/.cursor/mcp.json", "mcpServers"],
  [
    "darwin",
    { HOME: "/Users/x" },
    "vscode",
    "/Users/x/Library/Application Support/Code/User/mcp.json",
    "servers",
  ],
  ["win32", WINDOWS, "claude", "D:\\Roaming\\Claude\\claude_desktop_config.json", "mcpServers"],
  ["win32", WINDOWS, "claude-code", "C:\\Users\\x\\.claude.json", "mcpServers"],
  ["win32", WINDOWS, "cursor", "C:\\Users\\x\\.cursor\\mcp.json", "mcpServers"],
  ["win32", WINDOWS, "vscode", "D:\\Roaming\\Code\\User\\mcp.json", "servers"],
  [
    "win32",
    { USERPROFILE: "C:\\Users\\x" },
    "vscode",
    "C:\\Users\\x\\AppData\\Roaming\\Code\\User\\mcp.json",
    "servers",
  ],
  ["win32", {}, "C:\\p\\.vscode\\mcp.json", "C:\\p\\.vscode\\mcp.json", "servers"],
  ["win32", {}, "C:/p/.vscode/mcp.json", "C:\\p\\.vscode\\mcp.json", "servers"],
];

for (const [platform, env, client, path, key] of places) {
  test(`on ${platform}, the servers of ${client} are in ${path}`, () => {
    assert.deepEqual(clientFile(client, { env, platform }), { path, key });
  });
}

const ROAMING = "D:\\Roaming\\Claude";
const PACKAGES = "C:\\Users\\x\\AppData\\Local\\Packages";
const OWN = `${PACKAGES}\\Claude_pzs8sxrjxfjjc\\LocalCache\\Roaming\\Claude`;
const DESKTOP = "claude_desktop_config.json";
const PACKAGE = { [PACKAGES]: ["Microsoft.Paint_8wekyb3d8bbwe", "Claude_pzs8sxrjxfjjc"] };
const installed: [string, Record<string, readonly string[]>, string][] = [
  ["nowhere", {}, ROAMING],
  ["beside other packages", { [PACKAGES]: ["Microsoft.Paint_8wekyb3d8bbwe"] }, ROAMING],
  ["as a package", PACKAGE, OWN],
  ["as a package with a file of before", { ...PACKAGE, [ROAMING]: [DESKTOP] }, ROAMING],
  ["as a package with both", { ...PACKAGE, [ROAMING]: [DESKTOP], [OWN]: [DESKTOP] }, OWN],
];
for (const [how, folders, folder] of installed) {
  test(`on Windows, Claude Desktop that is installed ${how} reads the file in ${folder}`, () => {
    const list = (folder: string) => folders[folder] ?? [];
    const { path } = clientFile("claude", { env: WINDOWS, platform: "win32", list });
    assert.equal(path, `${folder}\\${DESKTOP}`);
  });
}

test("a client that is known by name needs a home", () => {
  assert.throws(() => clientFile("claude", { env: {}, platform: "linux" }), /HOME is not set/);
  assert.throws(
    () => clientFile("cursor", { env: { HOME: "/h" }, platform: "win32" }),
    /USERPROFILE is not set/,
  );
});

test("the file of before is kept beside the new one, and only when something changes", async (context) => {
  const root = folder(context);
  const path = join(root, "mcp.json");
  writeFileSync(path, '{"a": 1}', { mode: 0o600 });
  const first = await update(path);
  assert.equal(first.backup, `${path}.postern.bak`);
  assert.equal(readFileSync(first.backup!, "utf8"), '{"a": 1}');
  assert.equal(statSync(first.backup!).mode & 0o777, 0o600);
  const second = await update(path);
  assert.equal(second.backup, undefined);
  assert.equal(second.before, second.after);
  assert.equal(readFileSync(first.backup!, "utf8"), '{"a": 1}');
});
