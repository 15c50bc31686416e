import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { RunningProgram } from "../../tests/support/cluster_process.ts";
import { startCluster } from "./_cluster.ts";
import { ECHO } from "./_subjects.ts";

export interface TbotFigures {
  /** Milliseconds from the start until a stored identity was renewed and the output written. */
  readonly readyMs: readonly number[];
  /** Resident memory then, MB; none where there is no `/proc`. */
  readonly residentMb: readonly number[];
}

/** Milliseconds in which a program that is ready comes to rest. */
const REST_MS = 500;

/** Starts tbot again and again on the storage of a bot that has joined. */
export async function measureTbot(directory: string, rounds: number): Promise<TbotFigures> {
  const { cluster } = await startCluster(directory, { command: [...ECHO] });
  const readyMs: number[] = [];
  const residentMb: number[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const begin = performance.now();
      const tbot = new RunningProgram("tbot", ["start", "-c", "tbot.yaml"], { cwd: directory });
      try {
        await tbot.until(() => tbot.stderr.includes("identity written"), "it had written");
        readyMs.push(performance.now() - begin);
        await sleep(REST_MS);
        const resident = residentOf(tbot.pid);
        if (resident !== undefined) residentMb.push(resident);
      } finally {
        await tbot.stop();
      }
    }
  } finally {
    await cluster.stop();
  }
  return { readyMs, residentMb };
}

function residentOf(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return kb === undefined ? undefined : Number(kb) / 1024;
}
