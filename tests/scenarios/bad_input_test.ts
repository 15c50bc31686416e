// What users get wrong, on the compiled programs: the message, the exit code, nothing half-written.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, type Finished, freePort, nodePath } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";
import { McpClient, McpOpenError } from "../support/mcp_client.ts";

/** Starts the bridge as a client does; resolves with why that failed. */
async function opening(guide: Guide, line: Parameters<Guide["open"]>[0] = {}): Promise<string> {
  let client: McpClient;
  try {
    client = await guide.open(line);
  } catch (error) {
    assert.ok(error instanceof McpOpenError, String(error));
    return `${error.message}\n${error.stderr}`;
  }
  throw new Error(`connected to ${client.server}`);
}

function failed({ code, stdout, stderr }: Finished, expected: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.match(stderr, /^error: /m);
  assert.equal(code, expected, stderr);
  assert.equal(stdout, "");
}

const ROLE_HEAD = "kind: role\nversion: v6\nmetadata: {name: bad-role}\nspec:\n  allow:\n";

for (
  const [what, body, place] of [
    ["an unknown field", "    app_lables: {env: dev}\n", "6:5"],
    ["a wrong type", "    app_labels: 7\n", "6:17"],
    ["a bad pattern", "    app_labels: {env: dev}\n    mcp: {tools: ['^(get$']}\n", "7:21"],
  ] as const
) {
  test(`a role with ${what} is refused at its place, and not stored`, async (context) => {
    const guide = await Guide.start(context);
    guide.write("bad.yaml", ROLE_HEAD + body);
    const created = await guide.run("tctl", "-c", "teleport.yaml", "create", "-f", "bad.yaml");
    failed(created, 2, new RegExp(`bad\\.yaml:${place}: `));
    const got = await guide.run("tctl", "-c", "teleport.yaml", "get", "role/bad-role");
    assert.equal(got.code, 1, got.stdout);
  }, { proves: ["bad.role"] });
}

test("a role among good ones that cannot be used keeps all of them out", async (context) => {
  const guide = await Guide.start(context);
  const good = ROLE_HEAD.replace("bad-role", "good-role") + "    app_labels: {env: dev}\n";
  guide.write("two.yaml", `${good}---\n${ROLE_HEAD}    app_labels: 7\n`);
  assert.equal((await guide.cluster.tctl(["create", "-f", "two.yaml"])).code, 2);
  assert.equal((await guide.cluster.tctl(["get", "role/good-role"])).code, 1);
}, { proves: ["bad.role"] });

test("an unknown app and one that no role reaches are refused alike", async (context) => {
  const guide = await Guide.start(context);
  await guide.join();
  assert.match(await opening(guide, { app: "no-such-app" }), /"no-such-app"/);
  await guide.tctl("create", "-f", guide.write("role.yaml", OTHER_LABELS));
  assert.match(await opening(guide), /"my-mcp-server".*tsh mcp ls/s);
}, { proves: ["bad.app"] });

const OTHER_LABELS = "kind: role\nversion: v6\nmetadata: {name: example-role}\nspec:\n" +
  "  allow: {app_labels: {env: prod}, mcp: {tools: ['*']}}\n";

test(
  "an identity file that is missing or cut is refused before anything is dialled",
  async (context) => {
    const guide = await Guide.start(context);
    const missing = await guide.run("tsh", ...guide.connectLine());
    failed(missing, 1, /machine-id\/identity: there is none \[IDENTITY_FILE_MISSING\]\nhint: /);
    // A client that asks hears it in its own words.
    assert.match(await opening(guide), /\[MCP_AUTH_REQUIRED\] .*there is none\. Renew /);
    await guide.join();
    const whole = readFileSync(guide.identity, "utf8");
    for (const length of [0, 100, whole.length >> 1, whole.length - 40]) {
      truncateSync(guide.identity, length);
      const cut = await guide.run("tsh", ...guide.connectLine());
      failed(cut, 1, /\[IDENTITY_FILE_INVALID\]\nhint: /);
      writeFileSync(guide.identity, whole);
    }
  },
  { proves: ["bad.identity_missing", "bad.identity_truncated"] },
);

test("an expired identity is refused, and its end is named", async (context) => {
  const guide = await Guide.start(context);
  const short = await guide.run(
    "tbot",
    ...["start", "identity", "--oneshot", "--proxy-server", guide.cluster.proxy],
    ...["--token", await guide.token(), "--ca-pin", guide.pin, "--join-method", "token"],
    ...["--storage", join(guide.directory, "bot"), "--allow-reissue"],
    ...["--destination", join(guide.directory, "machine-id"), "--credential-ttl", "2s"],
  );
  assert.equal(short.code, 0, short.stderr);
  const list = ["mcp", "ls", "-i", guide.identity, "--proxy", guide.cluster.proxy];
  await eventually(async () => (await guide.run("tsh", ...list)).code !== 0, "it has expired");
  failed(await guide.run("tsh", ...list), 1, /expired at \d{4}-.*\[CERTIFICATE_EXPIRED\]/);
  assert.match(await opening(guide), /expired at \d{4}-/);
}, { proves: ["bad.identity_expired"] });

test("an identity of another cluster is refused", async (context) => {
  const here = await Guide.start(context);
  const there = await Guide.start(context, { clusterName: "other.test" });
  await there.join();
  const list = ["mcp", "ls", "-i", there.identity, "--proxy", here.cluster.proxy];
  failed(await here.run("tsh", ...list), 1, /another cluster/);
  assert.match(
    await opening(here, { identity: there.identity }),
    /another cluster|of this cluster/,
  );
}, { proves: ["bad.identity_foreign"] });

test("a used, an unknown and an expired token let nobody join", async (context) => {
  const guide = await Guide.start(context);
  const used = await guide.token();
  await guide.writeBotFile({ token: used });
  assert.equal((await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot")).code, 0);
  const expired = await guide.token("--ttl=1s");
  await eventually(
    async () => (await guide.tctl("tokens", "ls")).includes("expired"),
    "the token has expired",
  );
  const cases = [
    [used, /JOIN_TOKEN_USED/],
    ["0".repeat(32), /JOIN_REFUSED/],
    [expired, /JOIN_TOKEN_EXPIRED/],
  ] as const;
  for (const [token, message] of cases) {
    const destination = join(guide.directory, "second");
    await guide.writeBotFile({ token, destination, storage: join(guide.directory, "bot2") });
    const run = await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
    failed(run, 1, message);
    assert.ok(!run.stderr.includes(token), "the token is in the log");
    assert.ok(!existsSync(join(destination, "identity")));
  }
}, { proves: ["bad.token_used", "bad.token_unknown", "bad.token_expired"] });

test("tbot sends its token to no cluster whose CA has not the pin", async (context) => {
  const guide = await Guide.start(context);
  const token = await guide.token();
  await guide.writeBotFile({ token, pin: `sha256:${"0".repeat(64)}` });
  failed(await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot"), 1, /CA_PIN_MISMATCH/);
  assert.ok(!existsSync(guide.identity));
  // The token was not spent: it still works.
  await guide.writeBotFile({ token });
  assert.equal((await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot")).code, 0);
}, { proves: ["bad.pin"] });

test("a proxy that cannot be reached is named, by tbot and by the bridge", async (context) => {
  const guide = await Guide.start(context);
  await guide.join();
  const proxy = `127.0.0.1:${await freePort()}`;
  const storage = join(guide.directory, "bot2");
  await guide.writeBotFile({ proxy, storage });
  const run = await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
  failed(run, 1, new RegExp(`${proxy}.*\\[API_UNREACHABLE\\]`));
  assert.match(await opening(guide, { proxy }), new RegExp(`MCP_NETWORK_UNAVAILABLE.*${proxy}`));
}, { proves: ["bad.proxy"] });

test(
  "a destination that cannot be written is named, and the token is not spent for it",
  async (context) => {
    const guide = await Guide.start(context);
    const token = await guide.token();
    // Below a file there is no directory, not even for root.
    await guide.writeBotFile({ token, destination: join(guide.directory, "role.yaml", "id") });
    const run = await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
    failed(run, 1, /role\.yaml.*\[DESTINATION_UNWRITABLE\]/);
    await guide.writeBotFile({ token });
    assert.equal((await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot")).code, 0);
  },
  { proves: ["bad.destination"] },
);

test("the client learns at once that the server's command does not exist", async (context) => {
  const guide = await Guide.start(context, { command: ["/no/such/command"] });
  await guide.join();
  assert.match(await opening(guide), /\[MCP_UPSTREAM_UNREACHABLE\].*command/);
}, { proves: ["bad.server_missing"] });

test("the client learns at once that the server dies while it starts", async (context) => {
  const guide = await Guide.start(context, { command: [nodePath(), "-e", "process.exit(3)"] });
  await guide.join();
  assert.match(await opening(guide), /\[MCP_UPSTREAM_(UNREACHABLE|ERROR)\]/);
}, { proves: ["bad.server_dies"] });

test("a port in use is named, and a data directory in use as well", async (context) => {
  const guide = await Guide.start(context);
  const file = readFileSync(join(guide.directory, "teleport.yaml"), "utf8");
  guide.write("second.yaml", file.replace(/data_dir: .*/, `data_dir: ${guide.directory}/data2`));
  const port = await guide.run("app-agent", "start", "-c", "second.yaml");
  failed(port, 1, new RegExp(`${guide.cluster.proxy}.*\\[PORT_IN_USE\\]\nhint: `));
  const data = await guide.run("app-agent", "start", "-c", "teleport.yaml");
  failed(data, 1, /\[DATA_DIR_IN_USE\]\nhint: /);
}, { proves: ["bad.port"] });

test(
  "a teleport.yaml that cannot be used is refused at its place, and nothing is made",
  async (context) => {
    const guide = await Guide.start(context);
    mkdirSync(join(guide.directory, "else"));
    guide.write(
      "else/teleport.yaml",
      `teleport:\n  data_dir: ${guide.directory}/else/data\nproxy_service:\n  web_adr: x\n`,
    );
    const run = await guide.run("app-agent", "start", "-c", "else/teleport.yaml");
    failed(run, 2, /teleport\.yaml:4:3.*web_adr/s);
    assert.ok(!existsSync(join(guide.directory, "else", "data")));
  },
  { proves: ["bad.cluster_config"] },
);
