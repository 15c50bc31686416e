import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { systemClock } from "../../identity/mod.ts";
import type { ValueSource } from "../../identity/mod.ts";
import { MAX_VALUE_BYTES, runCommand } from "../../relay/agent/values/run_command.ts";
import { Values } from "../../relay/agent/values/values.ts";
import { RelayError } from "../../relay/error.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const SECRET = "sesame-4711";

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-values-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}

function shell(script: string): ValueSource {
  return { kind: "command", command: ["sh", "-c", script], periodMs: 60_000 };
}

const fails = (code: RelayError["code"], says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RelayError);
  assert.equal(error.code, code);
  assert.match(error.message, says);
  assert.ok(!error.message.includes(SECRET));
  return true;
};

test("a value is read from a variable, a file and a command, without the end of its line", async (context) => {
  const path = join(scratch(context), "token");
  writeFileSync(path, `${SECRET}\r\n`);
  process.env["POSTERN_TEST_VALUE"] = SECRET;
  context.cleanup(() => delete process.env["POSTERN_TEST_VALUE"]);
  const values = new Values(systemClock);
  const sources: readonly ValueSource[] = [
    { kind: "value", value: SECRET },
    { kind: "env", name: "POSTERN_TEST_VALUE" },
    { kind: "file", path },
    shell(`echo ${SECRET}`),
  ];
  for (const source of sources) assert.equal(await values.read(source), SECRET, source.kind);
});

test("a file that has changed has another value at once", async (context) => {
  const path = join(scratch(context), "token");
  const values = new Values(systemClock);
  for (const value of ["one", "two"]) {
    writeFileSync(path, value);
    assert.equal(await values.read({ kind: "file", path }), value);
  }
});

test("a command runs once in its period, whoever asks, and again after it", async () => {
  const clock = new ManualClock();
  let runs = 0;
  const values = new Values(clock, () => Promise.resolve(`${++runs}\n`));
  const source: ValueSource = { kind: "command", command: ["mint"], periodMs: 1_000 };
  const both = await Promise.all([values.read(source), values.read(source)]);
  assert.deepEqual(both, ["1", "1"]);
  clock.advance(999);
  assert.equal(await values.read(source), "1");
  clock.advance(1);
  assert.equal(await values.read(source), "2");
});

test("a command that has failed is asked again, and its old value is not used", async () => {
  const clock = new ManualClock();
  let works = true;
  const values = new Values(
    clock,
    () =>
      works ? Promise.resolve("good") : Promise.reject(new RelayError("VALUE_UNAVAILABLE", "no")),
  );
  const source: ValueSource = { kind: "command", command: ["mint"], periodMs: 60_000 };
  assert.equal(await values.read(source), "good");
  works = false;
  clock.advance(60_000);
  await assert.rejects(values.read(source), fails("VALUE_UNAVAILABLE", /no/));
  works = true;
  await assert.rejects(values.read(source), fails("VALUE_UNAVAILABLE", /no/));
  clock.advance(1_000);
  assert.equal(await values.read(source), "good");
});

test("what gives no value says so, and never what it printed", async (context) => {
  const directory = scratch(context);
  const large = join(directory, "large");
  writeFileSync(large, SECRET.repeat(MAX_VALUE_BYTES));
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const values = new Values(systemClock);
  const cases: readonly [ValueSource, RelayError["code"], RegExp][] = [
    [{ kind: "env", name: "POSTERN_NO_SUCH" }, "VALUE_UNAVAILABLE", /variable "POSTERN_NO_SUCH"/],
    [{ kind: "file", path: join(directory, "none") }, "VALUE_UNAVAILABLE", /none: ENOENT/],
    [{ kind: "file", path: directory }, "VALUE_UNAVAILABLE", /: not a file$/],
    [{ kind: "file", path: pipe }, "VALUE_UNAVAILABLE", /: not a file$/],
    [{ kind: "file", path: large }, "LIMIT_EXCEEDED", /more than 65536 bytes/],
    [shell(`echo ${SECRET}; echo ${SECRET} >&2; exit 3`), "VALUE_UNAVAILABLE", /exited with 3/],
    [shell("kill -9 $$"), "VALUE_UNAVAILABLE", /ended by SIGKILL/],
    [shell(`yes ${SECRET}`), "LIMIT_EXCEEDED", /more than 65536 bytes/],
    [
      { kind: "command", command: [join(directory, "none")], periodMs: 1 },
      "VALUE_UNAVAILABLE",
      /is not found/,
    ],
  ];
  for (const [source, code, says] of cases) {
    await assert.rejects(values.read(source), fails(code, says));
  }
});

test("a command is no line for a shell", async () => {
  assert.equal(await runCommand(["echo", "$HOME; `id`"]), "$HOME; `id`\n");
});

test("a command that hangs is ended, with all that it has started", async (context) => {
  const pidFile = join(scratch(context), "pid");
  await assert.rejects(
    runCommand([
      "sh",
      "-c",
      `sleep 600 & echo $! > ${pidFile}.part; mv ${pidFile}.part ${pidFile}; wait`,
    ], 500),
    fails("VALUE_UNAVAILABLE", /took longer than 0.5 s/),
  );
  // The state decides, not the clock: the kernel has been told, and the process is gone soon.
  const { readFileSync } = await import("node:fs");
  const pid = Number(readFileSync(pidFile, "utf8"));
  const gone = () => {
    try {
      return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return true;
    }
  };
  while (!gone()) await new Promise((resolve) => setTimeout(resolve, 5));
});
