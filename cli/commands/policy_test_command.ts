import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { IdentityError } from "../../identity/mod.ts";
import {
  formatProblem,
  formatTestReport,
  type LoadRole,
  runPolicyTests,
  testReportJson,
  testReportJunit,
} from "../../policy/mod.ts";
import { EXIT } from "../run.ts";
import { visible } from "../visible.ts";
import { readTexts } from "./_policy_files.ts";
import { type Look, watchFiles } from "./_watch_files.ts";
import type { PolicyHost } from "./policy.ts";

export interface TestCommand {
  readonly paths: readonly string[];
  readonly format: "text" | "json" | "junit";
  /** Run again whenever a file changes. */
  readonly watch?: true | undefined;
}

/**
 * `policy test`: resolves with 1 when a case did not answer as it says, and with 2 when a test file
 * is wrong, since what was not read cannot have passed.
 */
export async function testPolicy(command: TestCommand, host: PolicyHost): Promise<number> {
  if (!command.watch) {
    const outcome = await runOnce(command);
    print(outcome, host);
    return outcome.exitCode;
  }
  let exitCode: number = EXIT.ok;
  await watchFiles(async (): Promise<Look> => {
    const outcome = await runOnce(command).catch(unreadable);
    exitCode = outcome.exitCode;
    const paths = [...command.paths, ...outcome.read];
    return { paths, seen: outcome.stdout + outcome.stderr, show: () => print(outcome, host) };
  }, host.signal);
  return exitCode;
}

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The files that were read. */
  readonly read: readonly string[];
}

async function runOnce({ paths, format }: TestCommand): Promise<Outcome> {
  // Roles lie beside their tests, so in a folder only files that say so are tests.
  const files = await readTexts(paths, (name) => /_test\.[^.]+$/.test(name));
  const read = files.map(({ file }) => file);
  const load: LoadRole = (path, from) => {
    // Paths of roles are relative to the test that names them.
    const file = isAbsolute(path) ? path : join(dirname(from), path);
    read.push(file);
    return { file, text: readFileSync(file, "utf8") };
  };
  const report = runPolicyTests(files, load);
  const broken = report.problems.length > 0;
  const exitCode = broken ? EXIT.usage : report.failed > 0 ? EXIT.failure : EXIT.ok;
  const text = formatTestReport(report).split("\n").map(visible).join("\n");
  switch (format) {
    case "json": {
      // The report of cases has no place for what is wrong with a file.
      const lines = report.problems.map((problem) => `error: ${visible(formatProblem(problem))}\n`);
      return { exitCode, stdout: testReportJson(report), stderr: lines.join(""), read };
    }
    case "junit":
      return { exitCode, stdout: testReportJunit(report), stderr: "", read };
    case "text":
      return { exitCode, stdout: text, stderr: "", read };
  }
}

/** While somebody writes, a file may be away; it is waited for. */
function unreadable(error: unknown): Outcome {
  if (!(error instanceof IdentityError)) throw error;
  const stderr = `error: ${visible(error.message)}\n`;
  return { exitCode: EXIT.usage, stdout: "", stderr, read: [] };
}

function print({ stdout, stderr }: Outcome, host: PolicyHost): void {
  if (stdout !== "") host.stdout.write(stdout);
  if (stderr !== "") host.stderr.write(stderr);
}
