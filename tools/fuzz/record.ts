// `deno task fuzz:record`: what real servers and a plain client say to each other, kept line by line
// in tests/vectors/traffic/ as seeds for the fuzzer.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { nodePath } from "../../tests/support/cluster_process.ts";
import { StdioPeer } from "../attack_kit/stdio_peer.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const TRAFFIC = join(root, "tests/vectors/traffic");
const directory = realpathSync(mkdtempSync(join(tmpdir(), "postern-record-")));
const npm = (name: string) =>
  join(root, `node_modules/@modelcontextprotocol/${name}/dist/index.js`);

/** Longer lines say nothing new and slow every mutation down. */
const MAX_LINE = 4096;

/** They tell of the machine, or take their time. */
const SKIPPED = new Set(["get-env", "trigger-long-running-operation", "simulate-research-query"]);

const SERVERS: Readonly<Record<string, readonly string[]>> = {
  everything: [nodePath(), npm("server-everything")],
  filesystem: [nodePath(), npm("server-filesystem"), directory],
  memory: [nodePath(), npm("server-memory")],
  conformance: [process.execPath, join(root, "tests/fixtures/conformance/main.ts"), "stdio"],
};

/** Arguments that more than one server's tools know. */
const ARGUMENTS = {
  message: "Grüße \u2028 👩‍👩‍👧",
  a: 1,
  b: 2.5,
  path: join(directory, "a.txt"),
  content: "é",
  query: "x",
  entities: [{ name: "n", entityType: "t", observations: ["o"] }],
};

try {
  writeFileSync(join(directory, "a.txt"), "one\ntwo\n");
  mkdirSync(TRAFFIC, { recursive: true });
  for (const [name, command] of Object.entries(SERVERS)) {
    const lines = await record(command);
    writeFileSync(join(TRAFFIC, `${name}.jsonl`), lines.map((line) => `${line}\n`).join(""));
    console.log(`${name}: ${lines.length} lines`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** What is looked at in an answer. */
interface Lists {
  readonly tools?: readonly { readonly name: string }[];
  readonly resources?: readonly { readonly uri: string }[];
  readonly prompts?: readonly { readonly name: string }[];
}

async function record(command: readonly string[]): Promise<string[]> {
  const sent: string[] = [];
  const env = { PATH: "/usr/bin:/bin", MEMORY_FILE_PATH: join(directory, "memory.json") };
  const peer = new StdioPeer(command, { cwd: directory, env });
  const send = (message: object) => {
    sent.push(JSON.stringify({ jsonrpc: "2.0", ...message }));
    peer.send(sent.at(-1)!);
  };
  let id = 0;
  const request = async (method: string, params: object = {}): Promise<Lists> => {
    const own = id++;
    send({ id: own, method, params });
    const answer = await peer.until(
      () =>
        peer.lines.map((line) => JSON.parse(`${line}`)).find((it) => it.id === own && !it.method),
      `an answer to ${method}`,
    );
    return answer.result ?? {};
  };
  try {
    await request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "recorder", version: "1.0.0" },
    });
    send({ method: "notifications/initialized" });
    const { tools = [] } = await request("tools/list");
    for (const { name } of tools) {
      if (SKIPPED.has(name)) continue;
      const params = { name, arguments: ARGUMENTS, _meta: { progressToken: name } };
      await request("tools/call", params);
    }
    const { resources = [] } = await request("resources/list");
    await request("resources/templates/list");
    for (const { uri } of resources.slice(0, 3)) {
      await request("resources/read", { uri });
    }
    const { prompts = [] } = await request("prompts/list");
    for (const { name } of prompts) {
      await request("prompts/get", { name, arguments: { city: "Malmö" } });
    }
    send({ method: "notifications/cancelled", params: { requestId: id, reason: "enough" } });
  } finally {
    peer.kill();
    await peer.exit;
  }
  return [...sent, ...peer.lines.map(String)]
    .map((line) => line.replaceAll(directory, "/srv/files").replaceAll(root, "/srv/postern/"))
    .filter((line) => line.length <= MAX_LINE);
}
