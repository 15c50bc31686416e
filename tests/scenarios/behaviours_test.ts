// A well-behaved client and server cannot tell that Postern is between them: whatever one says, the
// other hears in the same code points and digits, in the same order.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { canonicalJson } from "../support/canonical_json.ts";
import {
  eventually,
  EVERYTHING,
  isRunning,
  nodePath,
  program,
} from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { listening } from "../support/listening.ts";
import { runtimeCommand } from "../support/runtime_command.ts";
import { scenario as test } from "../support/scenario.ts";
import { everything } from "./behaviours/everything.ts";
import { modern } from "./behaviours/modern.ts";
import { raw } from "./behaviours/raw.ts";
import { RecordedSession } from "./behaviours/session.ts";
import type { Behaviour } from "./behaviours/table.ts";

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

/** Each server as an app of its own, by its name. */
const SERVERS = {
  everything: { command: [nodePath(), EVERYTHING], behaviours: everything },
  raw: { command: [nodePath(), fixture("behaviours/raw_server.mjs")], behaviours: raw },
  modern: { command: runtimeCommand(fixture("conformance/main.ts"), "stdio"), behaviours: modern },
} as const;

for (const [name, { command, behaviours }] of Object.entries(SERVERS)) {
  test(`${name}: what passes through cannot be told from what comes directly`, async (context) => {
    const [server = "", ...args] = command;
    const guide = await Guide.start(context, { command: [server, ...args] });
    await guide.join();
    const relay = [program("tsh"), ...guide.connectLine()];
    // Two at a time on each way: some behaviours wait for the server's own clocks.
    const waiting = [...behaviours];
    const worker = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [direct, relayed] = await Promise.all([record(command, next), record(relay, next)]);
        assert.ok(direct.length > 0);
        assert.equal(difference(direct, relayed), undefined, next.what);
      }
    };
    await Promise.all([worker(), worker()]);
  }, { proves: ["gate.transparent"] });
}

/** Servers over HTTP: how each is started, where it listens, and how it is spoken to. */
const OVER_HTTP = [
  {
    name: "everything over streamable HTTP",
    command: everythingOver("streamableHttp"),
    kind: "streamable",
    path: "/mcp",
    behaviours: everything,
  },
  {
    name: "everything over SSE",
    command: everythingOver("sse"),
    kind: "sse",
    path: "/sse",
    behaviours: everything,
  },
  {
    name: "raw over streamable HTTP",
    command: [nodePath(), fixture("behaviours/raw_server.mjs"), "http"],
    kind: "streamable",
    path: "/mcp",
    behaviours: raw,
  },
  {
    name: "raw over SSE",
    command: [nodePath(), fixture("behaviours/raw_server.mjs"), "http"],
    kind: "sse",
    path: "/sse",
    behaviours: raw,
  },
  {
    name: "modern over streamable HTTP",
    command: runtimeCommand(fixture("conformance/main.ts"), "http"),
    kind: "streamable",
    path: "/mcp",
    behaviours: modern,
  },
] as const;

/** Some servers tell a client the id that its session has with them. */
const SESSION = /(?<=session )[0-9a-f-]{36}/g;

function everythingOver(mode: string): readonly string[] {
  return [nodePath(), "--import", fixture("upstreams/loopback.mjs"), EVERYTHING, mode];
}

for (const { name, command, kind, path, behaviours } of OVER_HTTP) {
  test(`${name}: what passes through cannot be told from what comes directly`, async (context) => {
    // One for each way, since servers tell all of their clients what has changed.
    const [near, far] = [await listening(command, context), await listening(command, context)];
    const scheme = kind === "sse" ? "mcp+sse+http" : "mcp+http";
    const guide = await Guide.start(context, { uri: `${scheme}://${far}${path}` });
    await guide.join();
    const client = fixture("behaviours/http_client.mjs");
    const direct = [nodePath(), client, kind, `http://${near}${path}`];
    const relay = [program("tsh"), ...guide.connectLine()];
    for (const behaviour of behaviours) {
      // Streams are independent of each other: what comes on two of them has no order.
      const masks = [...(behaviour.masks ?? []), SESSION];
      const each = { ...behaviour, masks, anyOrder: true };
      const [here, there] = await Promise.all([record(direct, each), record(relay, each)]);
      assert.ok(here.length > 0);
      assert.equal(difference(here, there), undefined, behaviour.what);
    }
  }, { proves: ["gate.transparent"] });
}

test("nothing is left of a server when its client leaves", async (context) => {
  const { command } = SERVERS.raw;
  const guide = await Guide.start(context, { command: [command[0], command[1]] });
  await guide.join();
  const session = new RecordedSession([program("tsh"), ...guide.connectLine()]);
  await session.initialize();
  const { result } = await session.call(1, "pid");
  const pid = Number(result.content[0].text);
  assert.ok(isRunning(pid));
  assert.equal(await session.close(), 0);
  await eventually(() => !isRunning(pid), "the server has ended");
}, { proves: ["gate.transparent"] });

/** What the client hears, in comparable text. */
async function record(
  command: readonly string[],
  { what, play, masks = [], anyOrder = false }: Behaviour,
): Promise<string[]> {
  const session = new RecordedSession(command);
  try {
    await play(session);
  } catch (cause) {
    throw new Error(`${what}: ${command.join(" ")}`, { cause });
  } finally {
    // The reference server does not end with its stdin while a timer of its tasks runs.
    await session.kill();
  }
  const heard = session.lines.map(
    (line) => {
      const text = canonicalJson(utf8.decode(line), CACHE_MEMBERS);
      return masks.reduce((masked, mask) => masked.replaceAll(mask, "…"), text);
    },
  );
  return anyOrder ? heard.sort() : heard;
}

/** The first line that differs, cut to what a person wants to read of megabytes. */
function difference(direct: readonly string[], relayed: readonly string[]): string | undefined {
  const at = direct.findIndex((line, index) => line !== relayed[index]);
  if (at === -1 && direct.length === relayed.length) return undefined;
  const line = at === -1 ? direct.length : at;
  const [a = "nothing", b = "nothing"] = [direct[line], relayed[line]];
  let from = 0;
  while (from < a.length && a[from] === b[from]) from++;
  const cut = (text: string) => text.slice(Math.max(0, from - 200), from + 300);
  return `line ${line + 1}: directly ${cut(a)}\nrelayed ${cut(b)}`;
}

/** What one bot may see must not be cached for others: the gate says so in each list. */
const CACHE_MEMBERS: ReadonlySet<string> = new Set(["ttlMs", "cacheScope"]);
const utf8 = new TextDecoder("utf-8", { fatal: true });
