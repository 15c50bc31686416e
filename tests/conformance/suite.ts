/** Runs the official conformance suite against a URL, and reads what it found. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimeCommand } from "../support/runtime_command.ts";

export const REVISIONS = ["2025-11-25", "2026-07-28"] as const;
export type Revision = (typeof REVISIONS)[number];

/** The checks of each scenario, in their order. */
export type Findings = ReadonlyMap<string, readonly Check[]>;

export interface Check {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly errorMessage?: string;
}

const SUITE = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url),
);

/** Every scenario that the revision names, those that it does not score included. */
export async function runSuite(url: string, revision: Revision): Promise<Findings> {
  const directory = mkdtempSync(join(tmpdir(), "postern-conformance-"));
  try {
    const args = ["server", "--url", url, "--requirements", revision, "-o", directory];
    await finished([...runtimeCommand(SUITE), ...args], directory);
    return readFindings(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The exit code says whether a check has failed, which the findings say as well. */
function finished(command: readonly string[], cwd: string): Promise<void> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: "ignore" });
    child.on("error", reject);
    child.on("close", () => resolve());
  });
}

/** `server-<scenario>-<time>/checks.json`, one folder for each scenario. */
function readFindings(directory: string): Findings {
  const findings = new Map<string, readonly Check[]>();
  for (const folder of readdirSync(directory).sort()) {
    const scenario = /^server-(.*)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(folder)?.[1];
    if (scenario === undefined) continue;
    const checks: Check[] = JSON.parse(
      readFileSync(join(directory, folder, "checks.json"), "utf8"),
    );
    findings.set(scenario, checks.filter(({ status }) => status !== "INFO"));
  }
  return findings;
}

export function passes(checks: readonly Check[]): boolean {
  return checks.length > 0 && checks.every(({ status }) => status !== "FAILURE");
}

/**
 * What passes directly and does not pass through: check by check, a check that is missing or has
 * become a warning included. The list of exceptions is empty: there is no place to write one.
 */
export function lost(direct: Findings, relayed: Findings): string[] {
  const losses: string[] = [];
  for (const [scenario, checks] of direct) {
    const left = [...relayed.get(scenario) ?? []];
    for (const { id, name, status } of checks) {
      if (status === "FAILURE") continue;
      // A scenario may repeat a check; each counts once.
      const at = left.findIndex((it) => it.id === id && it.name === name && it.status === status);
      if (at >= 0) {
        left.splice(at, 1);
        continue;
      }
      const instead = left.find((it) => it.id === id && it.name === name);
      const found = instead ? `${instead.status}: ${instead.errorMessage}` : "not there";
      losses.push(`${scenario}/${id} is ${status} directly; relayed, ${found}`);
    }
  }
  return losses;
}
