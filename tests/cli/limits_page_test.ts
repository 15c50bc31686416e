// docs/limits.md against the code: every setting with its default, every name of a limit.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseClusterConfig } from "../../cli/config/teleport_yaml.ts";
import { appLimitFields, toAppLimits } from "../../identity/config/mod.ts";
import { DEFAULT_APP_LIMITS } from "../../identity/mod.ts";
import { DEFAULT_AGENT_LIMITS } from "../../relay/agent/mod.ts";
import { LIMIT_NAMES } from "../../relay/limit.ts";
import { test } from "../support/harness.ts";

const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");

/** The first cells of a table's rows, and the second ones. */
function table(heading: string): [string, string][] {
  const rows = page.slice(page.indexOf(heading)).split("\n");
  const end = rows.findIndex((line, at) => at > 1 && !line.startsWith("|"));
  return rows.slice(2, end).map((line) => {
    const [, first = "", second = ""] = line.split("|");
    return [first.trim().replaceAll("`", ""), second.trim()];
  });
}

const settings = table("| setting ");

test("the page has every setting of limits, and no other", () => {
  const known = [
    "sessions",
    "sessions_per_bot",
    "unreached_sessions",
    "unreached_memory_mib",
    ...Object.keys(appLimitFields),
  ];
  assert.deepEqual(settings.map(([name]) => name).toSorted(), known.toSorted());
});

test("the page says the defaults as they are", () => {
  const set = settings.filter(([, value]) => /^\d/.test(value));
  const text = set.map(([name, value]) => `${name}: ${value}`).join(", ");
  const { agentLimits, appLimits } = parseClusterConfig(`app_service: {limits: {${text}}}`, "page");
  const { sessions, sessionsPerBot, unreachedBytes, unreachedSessions } = DEFAULT_AGENT_LIMITS;
  assert.deepEqual(agentLimits, { sessions, sessionsPerBot, unreachedBytes, unreachedSessions });
  const linux = toAppLimits({ server_memory_mib: 4096, server_processes: 512 });
  assert.deepEqual(appLimits, {
    ...DEFAULT_APP_LIMITS,
    ...(process.platform === "linux" ? {} : linux),
  });
});

test("the page has every name of a limit that is counted, and no other", () => {
  assert.deepEqual(table("| limit  ").map(([name]) => name), [...LIMIT_NAMES]);
});
