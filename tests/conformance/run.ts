// `deno task conformance`: the official suite against the fixture, directly and through the
// compiled programs, check by check. Exits with 1 if anything that passes directly does not pass
// through.
import process from "node:process";
import {
  directly,
  throughFront,
  throughHttp,
  throughSse,
  throughStdio,
  throughTunnel,
} from "./paths.ts";
import { type Findings, lost, passes, REVISIONS, runSuite } from "./suite.ts";

const cleanups: (() => unknown)[] = [];
const context = {
  cleanup: (fn: () => unknown) => void cleanups.push(fn),
  signal: new AbortController().signal,
};
const paths = {
  "front alone": throughFront,
  "stdio": throughStdio,
  "HTTP": throughHttp,
  "SSE": throughSse,
  "tunnel": throughTunnel,
};

/** The streams of a tunnel cannot be taken up again, which the specification leaves open. */
const NOT_RESUMED = "server-sse-polling/";

try {
  const direct = await directly(context);
  const found: string[] = [];
  console.log("revision    path          scenarios  checks   seconds");
  for (const revision of REVISIONS) {
    const expected = await timed(revision, "direct", () => runSuite(direct, revision));
    for (const [name, open] of Object.entries(paths)) {
      // HTTP with server-sent events has never carried the modern era.
      if (name === "SSE" && revision !== "2025-11-25") continue;
      const url = await open(context);
      const relayed = await timed(revision, name, () => runSuite(url, revision));
      const missing = lost(expected, relayed)
        .filter((line) => name !== "tunnel" || !line.startsWith(NOT_RESUMED));
      found.push(...missing.map((line) => `${revision} ${name}: ${line}`));
    }
  }
  for (const line of found) console.log(line);
  console.log(`${found.length} of what passes directly is lost on the way`);
  process.exitCode = found.length === 0 ? 0 : 1;
} finally {
  for (const fn of cleanups.reverse()) await fn();
}

async function timed(
  revision: string,
  path: string,
  run: () => Promise<Findings>,
): Promise<Findings> {
  const start = performance.now();
  const findings = await run();
  const scenarios = [...findings.values()];
  const checks = scenarios.flat();
  const passed = checks.filter(({ status }) => status !== "FAILURE").length;
  const cells = [
    revision.padEnd(11),
    path.padEnd(13),
    `${scenarios.filter(passes).length}/${scenarios.length}`.padEnd(10),
    `${passed}/${checks.length}`.padEnd(8),
    ((performance.now() - start) / 1000).toFixed(1),
  ];
  console.log(cells.join(" "));
  return findings;
}
