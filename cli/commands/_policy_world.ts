/** What `policy` commands know of bots and apps: from a file, or from the cluster of this host. */
import { IdentityError } from "../../identity/mod.ts";
import type { AuditEvent } from "../../identity/mod.ts";
import {
  type DiffWorld,
  formatProblems,
  type ParsedRoles,
  parseRoles,
  parseWorld,
  PolicyError,
  type Role,
} from "../../policy/mod.ts";
import type { CatalogueTool } from "../../policy/lint/mod.ts";
import { readText, readTexts, type TextFile } from "./_policy_files.ts";

/** The cluster whose data is on this host, for those commands that are told to look at it. */
export interface PolicyCluster {
  world(): Promise<ClusterWorld>;
  /** Every tool of an app's server, asked now, or why nobody can tell. */
  tools(app: string): Promise<LiveTools>;
  /** The events of a decision and of its session's start. */
  decisionEvents(id: string): Promise<readonly AuditEvent[]>;
}

export interface LiveTool extends CatalogueTool {
  /** The digest of its definition. */
  readonly sha256: string;
}

export interface LiveTools {
  readonly tools?: readonly LiveTool[] | undefined;
  readonly problem?: string;
}

export interface ClusterWorld extends DiffWorld {
  readonly roles: readonly TextFile[];
}

/** Reads a file of bots and apps, with all its mistakes. */
export async function readWorldFile(file: string): Promise<DiffWorld> {
  const { world, problems } = parseWorld(await readText(file), file);
  if (problems.length === 0) return world;
  throw new PolicyError(
    "ROLE_INVALID",
    `Cannot use the file of bots and apps\n${formatProblems(problems)}`,
    { problems, hint: "Correct the file" },
  );
}

/** The roles of files and folders; the answer of some of them would be the wrong one. */
export async function readRoles(paths: readonly string[]): Promise<Role[]> {
  return rolesOf(await readTexts(paths));
}

/** The roles of texts, each of which must be without mistakes. */
export function rolesOf(texts: readonly TextFile[]): Role[] {
  const parsed: ParsedRoles[] = texts.map(({ file, text }) => parseRoles(text, file));
  const problems = parsed.flatMap((each) => each.problems);
  if (problems.length > 0) {
    throw new PolicyError("ROLE_INVALID", `Cannot use the roles\n${formatProblems(problems)}`, {
      problems,
      hint: "Correct the file",
    });
  }
  return parsed.flatMap(({ roles }) => roles);
}

export function badOption(message: string, hint: string, cause?: unknown): IdentityError {
  return new IdentityError("BAD_REQUEST", message, { hint, cause });
}
