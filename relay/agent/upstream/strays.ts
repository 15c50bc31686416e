/**
 * Processes that have left the process group of their server, as daemons do with `setsid`. They are
 * known by a mark in their environment, which children inherit. Who clears its environment as well
 * is not found; and only Linux shows environments (proc(5)).
 */
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** The variable of the mark; its value is different for each server. */
export const MARK_VARIABLE = "POSTERN_SERVER_ID";

/**
 * Looks at all processes, and milliseconds between them: some start others while they are looked
 * for, and on a busy machine one that was killed takes a while to be gone.
 */
const MAX_LOOKS = 100;
const PAUSE_MS = 10;

let wanted = new Set<string>();
let looking: Promise<void> | undefined;

/**
 * Ends whatever carries the mark; resolves when nothing does. One look at the processes serves all
 * who ask meanwhile. Rejects when there are always more.
 */
export async function endMarked(mark: string): Promise<void> {
  if (process.platform !== "linux") return;
  wanted.add(mark);
  await looking?.catch(() => {});
  // Somebody who waited as well has begun the look that is for this mark too.
  if (!wanted.has(mark)) return await looking;
  const marks = wanted;
  wanted = new Set();
  looking = look(marks);
  await looking;
}

async function look(marks: ReadonlySet<string>): Promise<void> {
  const texts = [...marks].map((mark) => `${MARK_VARIABLE}=${mark}\0`);
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const found = (await Promise.all((await processIds()).map(async (pid) =>
      await carries(pid, texts) ? [pid] : []
    ))).flat();
    if (found.length === 0) {
      return;
    }
    for (const pid of found) {
      kill(pid);
    }
    await sleep(PAUSE_MS);
  }
  throw new Error(`after ${MAX_LOOKS} looks there are still more of them`);
}

async function processIds(): Promise<string[]> {
  return (await readdir("/proc")).filter((name) => /^[1-9][0-9]*$/.test(name));
}

async function carries(pid: string, texts: readonly string[]): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    return texts.some((text) => environment.includes(text));
  } catch {
    // Gone by now, or somebody else's.
    return false;
  }
}

function kill(pid: string): void {
  try {
    process.kill(Number(pid), "SIGKILL");
  } catch {
    // Gone by now.
  }
}
