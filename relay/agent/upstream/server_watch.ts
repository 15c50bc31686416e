/**
 * What spawned servers use: memory, processes and processor time of each process group, looked at
 * once a second (proc(5), Linux). Whoever uses too much is told on, and the whole group ends. A
 * process that leaves its group is not counted with it; it still ends with it.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import type { AppLimits, Clock, Log } from "../../../identity/mod.ts";
import { after } from "../../after.ts";
import { RelayError } from "../../error.ts";
import type { LimitName } from "../../limit.ts";
import type { ProcessGroup } from "./process_group.ts";

export type ServerLimits = Pick<AppLimits, "serverCpuMs" | "serverMemory" | "serverProcesses">;

/** What a process group uses. */
export interface GroupUse {
  /** Resident bytes; pages that several processes share count for each. */
  memory: number;
  processes: number;
  /** Milliseconds of processor time, that of ended children included. */
  cpuMs: number;
}

interface Watched {
  readonly app: string;
  readonly limits: ServerLimits;
  readonly onExceeded: (error: RelayError) => void;
}

const INTERVAL_MS = 1000;
/** Processes that are read before others get their turn. */
const SLICE = 64;

export class ServerWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watched = new Map<number, Watched>();
  #running: AbortController | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Watches a group until what is returned is called, or it has used too much. Throws
   * `CONFIG_INVALID` where the system does not tell what a group uses.
   */
  watch({ leader }: ProcessGroup, watched: Watched): () => void {
    const { serverCpuMs, serverMemory, serverProcesses } = watched.limits;
    if (serverCpuMs === undefined && serverMemory === undefined && serverProcesses === undefined) {
      return () => {};
    }
    if (process.platform !== "linux") {
      throw new RelayError(
        "CONFIG_INVALID",
        `Cannot start app "${watched.app}": what a server uses is known on Linux only`,
        { hint: "Leave out server_memory_mib, server_processes and server_cpu_time" },
      );
    }
    this.#watched.set(leader, watched);
    if (this.#running === undefined) this.#wait(this.#running = new AbortController());
    return () => {
      if (this.#watched.get(leader) === watched) this.#watched.delete(leader);
      if (this.#watched.size > 0) return;
      this.#running?.abort();
      this.#running = undefined;
    };
  }

  #wait(running: AbortController): void {
    after(this.#clock, INTERVAL_MS, running.signal, () => {
      this.#look().catch((error: unknown) =>
        this.#log.warn("Cannot see what servers use", { error: String(error) })
      ).finally(() => {
        if (!running.signal.aborted) this.#wait(running);
      });
    });
  }

  async #look(): Promise<void> {
    const uses = await groupUses(new Set(this.#watched.keys()));
    for (const [leader, use] of uses) {
      const watched = this.#watched.get(leader);
      const error = watched && excess(watched, use);
      if (error === undefined) continue;
      this.#watched.delete(leader);
      watched?.onExceeded(error);
    }
  }
}

function excess(
  { app, limits: { serverCpuMs, serverMemory, serverProcesses } }: Watched,
  { cpuMs, memory, processes }: GroupUse,
): RelayError | undefined {
  const found: readonly [LimitName, string, number, number | undefined][] = [
    ["server_memory", `${Math.round(memory / MIB)} MiB of memory`, memory, serverMemory],
    ["server_processes", `${processes} processes`, processes, serverProcesses],
    ["server_cpu_time", `${Math.round(cpuMs / 1000)} s of processor time`, cpuMs, serverCpuMs],
  ];
  for (const [limit, what, use, most] of found) {
    if (most === undefined || use <= most) continue;
    return new RelayError(
      "LIMIT_EXCEEDED",
      `MCP server "${app}" was ended: it used ${what}, more than it may (${limit})`,
      { limit },
    );
  }
  return undefined;
}

/** What each of the groups uses now; one that has no process is left out. */
export async function groupUses(leaders: ReadonlySet<number>): Promise<Map<number, GroupUse>> {
  const { pageBytes, ticksPerSecond } = units ??= readUnits();
  const uses = new Map<number, GroupUse>();
  let read = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^[1-9]\d*$/.test(name)) continue;
    if (++read % SLICE === 0) await turn();
    const fields = statOf(name);
    const leader = Number(fields?.[PGRP]);
    if (fields === undefined || fields[STATE] === "Z" || !leaders.has(leader)) continue;
    const use = uses.get(leader) ?? { memory: 0, processes: 0, cpuMs: 0 };
    const ticks = TIMES.reduce((sum, field) => sum + Number(fields[field]), 0);
    use.memory += Number(fields[RSS]) * pageBytes;
    use.processes += 1;
    use.cpuMs += ticks * 1000 / ticksPerSecond;
    uses.set(leader, use);
  }
  return uses;
}

// proc(5), `stat`: fields from the third on, since the second may hold anything.
const STATE = 3 - 3;
const PGRP = 5 - 3;
const TIMES = [14 - 3, 15 - 3, 16 - 3, 17 - 3];
const RSS = 24 - 3;

function statOf(pid: string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

interface Units {
  readonly pageBytes: number;
  readonly ticksPerSecond: number;
}
let units: Units | undefined;

/** From the auxiliary vector (getauxval(3)): pairs of 64 bits in the byte order of the machine. */
function readUnits(): Units {
  const bytes = readFileSync("/proc/self/auxv");
  const view = new BigUint64Array(new Uint8Array(bytes).buffer, 0, bytes.length >> 3);
  const found = new Map<number, number>();
  for (let at = 0; at + 1 < view.length; at += 2) found.set(Number(view[at]), Number(view[at + 1]));
  return { pageBytes: found.get(AT_PAGESZ) ?? 4096, ticksPerSecond: found.get(AT_CLKTCK) ?? 100 };
}

const AT_PAGESZ = 6;
const AT_CLKTCK = 17;
const MIB = 1024 * 1024;
