/**
 * A spawned server leads a process group of its own, so that everything it has started ends with
 * it. Process ids are used again: a group is known by its leader's start time as well, and a
 * signal goes out only while that still fits.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

export interface ProcessGroup {
  /** The leader's process id, which is the group's id. */
  readonly leader: number;
  /** In clock ticks since boot; empty where the system does not tell. */
  readonly started: string;
}

/** The group of a process that was just spawned as a leader. */
export function groupOf(leader: number): ProcessGroup {
  return { leader, started: startTime(leader) ?? "" };
}

/** Sends a signal to every process of the group; false if there is none (any more). */
export function signalGroup(group: ProcessGroup, signal: NodeJS.Signals | 0): boolean {
  // A leader with another start time is a stranger under the same number. No leader at all is
  // fine: while members live, the system does not give the number to anyone else.
  const now = startTime(group.leader);
  if (now !== undefined && group.started !== "" && now !== group.started) return false;
  try {
    process.kill(-group.leader, signal);
    return true;
  } catch {
    return false;
  }
}

/** proc(5): field 22 of `stat`; the second field, in parentheses, may contain anything. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
