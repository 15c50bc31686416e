// What compiling costs: time, and what stays in memory. In a process of its own, with `gc`.
import { compilePolicy } from "../../policy/mod.ts";
import { parsedRoles } from "./_policy_engines.ts";
import { APPS, workload } from "./_policy_workload.ts";
import process from "node:process";

export interface Size {
  /** Milliseconds: reading the roles, and the first policy over them, which builds what all share. */
  readonly parse: number;
  readonly compile: number;
  /** Microseconds: a policy for a principal and an app, once the roles have one; the mean. */
  readonly bind: number;
  /** Bytes: the roles as read, what all their policies share, and each policy besides. */
  readonly roleBytes: number;
  readonly sharedBytes: number;
  readonly policyBytes: number;
}

export function measureSize(roles: number): Size {
  const load = workload(roles);
  const empty = held();
  const [parsed, parse] = timed(() => parsedRoles(load));
  const read = held();
  const subject = { name: "bot", traits: {} };
  const app = load.apps[0]!;
  const [first, compile] = timed(() => {
    const policy = compilePolicy(parsed, subject, app);
    policy.decideTool("read_file");
    return policy;
  });
  const shared = held();
  const [policies, bind] = timed(() =>
    load.apps.map((app, n) => compilePolicy(parsed, { ...subject, name: `bot-${n}` }, app))
  );
  const all = held();
  if (first.access === undefined || policies.length !== APPS) throw new Error("unreachable");
  return {
    parse,
    compile,
    bind: bind * 1000 / APPS,
    roleBytes: read - empty,
    sharedBytes: shared - read,
    policyBytes: (all - shared) / APPS,
  };
}

function timed<T>(body: () => T): [T, number] {
  const start = performance.now();
  const value = body();
  return [value, performance.now() - start];
}

/** Bytes that the collector cannot take. */
function held(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error("run with --expose-gc");
  for (let i = 0; i < 3; i++) gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
