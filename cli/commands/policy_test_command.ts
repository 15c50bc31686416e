import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
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
import type { PolicyHost } from "./policy.ts";

export interface TestCommand {
  readonly paths: readonly string[];
  readonly format: "text" | "json" | "junit";
}

/**
 * `policy test`: resolves with 1 when a case did not answer as it says, and with 2 when a test file
 * is wrong, since what was not read cannot have passed.
 */
export async function testPolicy(command: TestCommand, host: PolicyHost): Promise<number> {
  // Roles lie beside their tests, so in a folder only files that say so are tests.
  const files = await readTexts(command.paths, (name) => /_test\.[^.]+$/.test(name));
  const report = runPolicyTests(files, loadRole);
  switch (command.format) {
    case "json":
      host.stdout.write(testReportJson(report));
      break;
    case "junit":
      host.stdout.write(testReportJunit(report));
      break;
    case "text":
      host.stdout.write(formatTestReport(report).split("\n").map(visible).join("\n"));
  }
  if (report.problems.length > 0) {
    if (command.format === "json") {
      // The report of cases has no place for these.
      const lines = report.problems.map((problem) => `error: ${visible(formatProblem(problem))}\n`);
      host.stderr.write(lines.join(""));
    }
    return EXIT.usage;
  }
  return report.failed > 0 ? EXIT.failure : EXIT.ok;
}

/** Paths of roles are relative to the test that names them. */
const loadRole: LoadRole = (path, from) => readFileSync(resolve(dirname(from), path), "utf8");
