import {
  diffPolicies,
  type DiffWorld,
  formatPolicyDiff,
  formatProblems,
  parseRoles,
  parseWorld,
  policyDiffJson,
  PolicyError,
  type Problem,
  type Role,
} from "../../policy/mod.ts";
import { EXIT } from "../run.ts";
import { visible } from "../visible.ts";
import { readText, readTexts } from "./_policy_files.ts";
import type { PolicyHost } from "./policy.ts";

export interface DiffCommand {
  readonly before: string;
  readonly after: string;
  /** A file that tells of bots and apps. */
  readonly world?: string | undefined;
  readonly format: "text" | "json";
}

/** `policy diff`: resolves with 1 when the new roles grant what the old ones did not. */
export async function diffPolicy(command: DiffCommand, host: PolicyHost): Promise<number> {
  const [before, after] = [await readRoles(command.before), await readRoles(command.after)];
  const diff = diffPolicies(before, after, await readWorld(command.world));
  if (command.format === "json") host.stdout.write(policyDiffJson(diff));
  else host.stdout.write(formatPolicyDiff(diff).split("\n").map(visible).join("\n"));
  return diff.grants ? EXIT.failure : EXIT.ok;
}

async function readRoles(path: string): Promise<Role[]> {
  const parsed = (await readTexts([path])).map(({ file, text }) => parseRoles(text, file));
  refuse(parsed.flatMap(({ problems }) => problems), "Cannot use the roles");
  return parsed.flatMap(({ roles }) => roles);
}

async function readWorld(file: string | undefined): Promise<DiffWorld> {
  if (file === undefined) return {};
  const { world, problems } = parseWorld(await readText(file), file);
  refuse(problems, "Cannot use the file of bots and apps");
  return world;
}

function refuse(problems: readonly Problem[], what: string): void {
  if (problems.length === 0) return;
  throw new PolicyError("ROLE_INVALID", `${what}\n${formatProblems(problems)}`, {
    problems,
    hint: "Correct the file",
  });
}
