/** What a change of roles would have made of recorded calls. */
import { describeWhat } from "./ask.ts";
import { describeDecision } from "./decision.ts";
import { type Recorded, type RecordedCall, replay, type Replayed } from "./recorded.ts";
import type { Role } from "./role.ts";

export interface ReplayReport {
  /** Recorded calls that could be put to both sets of roles. */
  readonly replayed: number;
  /** Recorded calls that could not: a rule looks at what was redacted or left out. */
  readonly unknown: number;
  /** Recorded calls without the start of their session. */
  readonly orphans: number;
  readonly differences: readonly Difference[];
}

/** Calls that are decided differently, as one where everything but the time is the same. */
export interface Difference {
  readonly subject: string;
  readonly app: string;
  readonly what: string;
  readonly effect: "gains" | "loses";
  readonly calls: number;
  /** The newest of them. */
  readonly id: string;
  readonly before: string;
  readonly after: string;
}

/** Puts recorded calls to two sets of roles. */
export function replayCalls(
  { calls, orphans }: Recorded,
  before: readonly Role[],
  after: readonly Role[],
): ReplayReport {
  const differences = new Map<string, Difference>();
  let unknown = 0;
  for (const call of calls) {
    const [old, now] = [replay(call, before), replay(call, after)];
    if (old.kind === "unknown" || now.kind === "unknown") unknown++;
    else if (allows(old) !== allows(now)) note(differences, call, old, now);
  }
  return {
    replayed: calls.length - unknown,
    unknown,
    orphans,
    differences: [...differences.values()].sort((a, b) => b.calls - a.calls),
  };
}

function note(
  differences: Map<string, Difference>,
  call: RecordedCall,
  old: Replayed,
  now: Replayed,
) {
  const { subject, app, what } = call.ask;
  const difference: Difference = {
    subject: subject.name,
    app: app.name,
    what: describeWhat(what.kind === "tool" ? { kind: "tool", name: what.name } : what),
    effect: allows(now) ? "gains" : "loses",
    calls: 1,
    id: call.id,
    before: describe(old),
    after: describe(now),
  };
  const { calls: _, id: __, ...same } = difference;
  const key = JSON.stringify(same);
  const known = differences.get(key);
  differences.set(key, known ? { ...difference, calls: known.calls + 1 } : difference);
}

function allows(replayed: Replayed): boolean {
  return replayed.kind === "decided" && replayed.decision.effect === "allow";
}

function describe(replayed: Replayed): string {
  if (replayed.kind === "decided") return describeDecision(replayed.decision);
  return replayed.kind === "error" ? replayed.message : "unknown";
}

/** Differences that people are told one by one. */
const TOLD = 50;

/** The report for people. */
export function formatReplay({ replayed, unknown, orphans, differences }: ReplayReport): string {
  const count = differences.reduce((sum, { calls }) => sum + calls, 0);
  const lines = [`${count} of ${replayed} recorded calls would be decided differently`];
  for (
    const { subject, app, what, effect, calls, id, before, after } of differences.slice(0, TOLD)
  ) {
    lines.push(
      `  ${effect === "gains" ? "+" : "-"} ${subject} on ${app}: ${what}, ${
        times(calls)
      }, last ${id}`,
      `      before: ${before}`,
      `      after:  ${after}`,
    );
  }
  if (differences.length > TOLD) lines.push(`  … and ${differences.length - TOLD} more kinds`);
  if (unknown > 0) {
    lines.push(`${unknown} calls cannot be judged: a rule looks at what the log has not kept`);
  }
  if (orphans > 0) lines.push(`${orphans} calls left out: the start of their session is not there`);
  return `${lines.join("\n")}\n`;
}

function times(calls: number): string {
  return calls === 1 ? "once" : `${calls} times`;
}
