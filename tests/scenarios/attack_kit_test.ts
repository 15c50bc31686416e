// Every row of the attack kit on the compiled path, and the kit itself where nothing is in its way.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rawControls, ROWS, runKit } from "../../tools/attack_kit/run.ts";
import { readRows } from "../../tools/attack_kit/rows.ts";
import { nodePath, program } from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import { ONE_RUNTIME, test as plain } from "../support/harness.ts";
import { scenario as test } from "../support/scenario.ts";

const SERVER = fileURLToPath(new URL("../../tools/attack_kit/server.mjs", import.meta.url));
const rows = readRows(ROWS);

/** Does no harm without a gateway either: what it asks is that one serves on. */
const HARMLESS = ["flood-of-notifications"];

test(
  "no row of the attack kit gets anywhere, and none keeps a plain call from being served",
  async (context) => {
    const record = join(mkdtempSync(join(tmpdir(), "postern-kit-")), "record");
    context.cleanup(() => rmSync(join(record, ".."), { recursive: true }));
    const guide = await Guide.start(context, { command: [nodePath(), SERVER, record] });
    await guide.allow("[echo, kit_say, kit_silent]");
    await guide.join();
    const { identity, cluster } = guide;
    const line = ["mcp", "connect", "-i", identity, "--proxy", cluster.proxy, APP];
    const verdicts = await runKit({ command: [program("tsh"), ...line], record, rows });
    assert.deepEqual(verdicts.filter(({ problems }) => problems.length > 0), []);
    assert.equal(verdicts.length, rows.length);

    // What rows have put into names and messages reaches no terminal and no log raw.
    const log = readFileSync(join(guide.directory, "app-agent.log"), "utf8");
    assert.deepEqual(rawControls(log), []);
    for (const command of ["audit ls", "audit ls --format=json"]) {
      const text = await guide.tctl(...command.split(" "));
      assert.match(text, /kit_denied/);
      assert.deepEqual(rawControls(text), [], command);
    }
  },
  { proves: ["gate.attack_kit"], skip: ONE_RUNTIME },
);

plain(
  "the attack kit finds each row's harm where no gateway is in its way",
  async (context) => {
    const record = join(mkdtempSync(join(tmpdir(), "postern-kit-")), "record");
    context.cleanup(() => rmSync(join(record, ".."), { recursive: true }));
    const verdicts = await runKit({ command: [nodePath(), SERVER, record], record, rows });
    const held = verdicts.filter(({ problems }) => problems.length === 0).map(({ id }) => id);
    assert.deepEqual(held, HARMLESS);
  },
  { skip: ONE_RUNTIME },
);
