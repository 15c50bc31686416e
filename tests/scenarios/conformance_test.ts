// The official conformance suite through the compiled bridge, relay and agent.
import assert from "node:assert/strict";
import { directly, throughHttp, throughSse, throughStdio } from "../conformance/paths.ts";
import { type Findings, lost, passes, REVISIONS, runSuite } from "../conformance/suite.ts";
import { scenario as test } from "../support/scenario.ts";

const PATHS = {
  "a server by stdio": { open: throughStdio, revisions: REVISIONS },
  "a server by HTTP": { open: throughHttp, revisions: REVISIONS },
  // HTTP with server-sent events has never carried the modern era.
  "a server by SSE": { open: throughSse, revisions: ["2025-11-25"] },
} as const;

/** An extension that no SDK has yet; its scenarios are run, and fail directly as well. */
const FAILS_DIRECTLY = /^tasks-/;
const SCENARIOS = { "2025-11-25": 33, "2026-07-28": 50 } as const;

for (const [what, { open, revisions }] of Object.entries(PATHS)) {
  test(
    `${what} conforms through the whole path as it does directly: ${revisions.join(", ")}`,
    async (context) => {
      const direct = await directly(context);
      const relayed = await open(context);
      for (const revision of revisions) {
        const expected = await runSuite(direct, revision);
        assert.equal(expected.size, SCENARIOS[revision], `scenarios of ${revision}`);
        const failing = failed(expected).filter((name) => !FAILS_DIRECTLY.test(name));
        assert.deepEqual(failing, [], `the fixture passes ${revision}`);
        assert.deepEqual(lost(expected, await runSuite(relayed, revision)), [], revision);
      }
    },
    { proves: ["gate.conformance"] },
  );
}

function failed(findings: Findings): string[] {
  return [...findings].filter(([, checks]) => !passes(checks)).map(([name]) => name);
}
