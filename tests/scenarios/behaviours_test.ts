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
