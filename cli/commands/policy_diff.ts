import {
  diffPolicies,
  type DiffWorld,
  formatPolicyDiff,
  formatReplay,
  policyDiffJson,
  recordedCalls,
  replayCalls,
  type Role,
} from "../../policy/mod.ts";
import { EXIT } from "../run.ts";
import { visible } from "../visible.ts";
import { readEvents } from "./_audit_events.ts";
import {
  badOption,
  type PolicyCluster,
  readRoles,
  readWorldFile,
  rolesOf,
} from "./_policy_world.ts";
import type { PolicyHost } from "./policy.ts";

export interface DiffCommand {
  /** Two paths; the second alone when the cluster's roles are the first. */
  readonly paths: readonly string[];
  /** A file that tells of bots and apps. */
  readonly world?: string | undefined;
  /** The cluster of this host: its roles are what the given ones would be added to. */
  readonly cluster?: PolicyCluster | undefined;
  /** A file of recorded events to put to both. */
  readonly replay?: string | undefined;
  readonly format: "text" | "json";
}

/** `policy diff`: resolves with 1 when the new roles grant what the old ones did not. */
export async function diffPolicy(command: DiffCommand, host: PolicyHost): Promise<number> {
  const { before, after, world } = await inputs(command);
  const diff = diffPolicies(before, after, world);
  const replayed = command.replay === undefined
    ? undefined
    : replayCalls(recordedCalls(await readEvents(command.replay)), before, after);
  if (command.format === "json") host.stdout.write(policyDiffJson(diff, replayed));
  else {
    const text = formatPolicyDiff(diff) + (replayed ? `\n${formatReplay(replayed)}` : "");
    host.stdout.write(text.split("\n").map(visible).join("\n"));
  }
  return diff.grants ? EXIT.failure : EXIT.ok;
}

interface Inputs {
  readonly before: readonly Role[];
  readonly after: readonly Role[];
  readonly world: DiffWorld;
}

async function inputs({ paths, world: file, cluster }: DiffCommand): Promise<Inputs> {
  const [first, second, third] = paths;
  const given = file === undefined ? undefined : await readWorldFile(file);
  if (first === undefined || third !== undefined) throw wrongPaths();
  if (second !== undefined) {
    if (cluster) throw wrongPaths();
    return {
      before: await readRoles([first]),
      after: await readRoles([second]),
      world: given ?? {},
    };
  }
  if (!cluster) throw wrongPaths();
  const { roles, subjects, apps } = await cluster.world();
  const before = rolesOf(roles);
  const fresh = await readRoles([first]);
  const replaced = new Set(fresh.map(({ name }) => name));
  const after = [...before.filter(({ name }) => !replaced.has(name)), ...fresh];
  return {
    before,
    after,
    world: given ?? { ...(subjects && { subjects }), ...(apps && { apps }) },
  };
}

function wrongPaths(): Error {
  return badOption(
    "Cannot tell what to compare",
    "Name the old roles and the new ones; or the new ones alone, with --cluster",
  );
}
