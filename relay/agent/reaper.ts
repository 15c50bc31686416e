/**
 * What keeps servers from outliving an agent that was killed: a small process beside it that holds
 * one end of a pipe. It is told of each process group, and when the pipe closes it ends those that
 * are left. `kill -9` closes pipes too.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Buffer } from "node:buffer";
import type { Log } from "../../identity/mod.ts";
import { LineSplitter } from "../wire/line_splitter.ts";
import { type ProcessGroup, signalGroup } from "./upstream/process_group.ts";
import { endMarked } from "./upstream/strays.ts";

/** The agent's end of the pipe. */
export interface ReaperProcess {
  write(line: string): void;
  /** Closes the pipe: the process ends what it still knows of, and then itself. */
  close(): void;
  /** Resolves when the process has ended, for whatever reason. */
  readonly closed: Promise<void>;
}

/** Keeps the other process informed; it is started when there is something to guard. */
export class Reaper {
  readonly #start: () => ReaperProcess;
  readonly #log: Log;
  readonly #groups = new Map<number, { readonly group: ProcessGroup; readonly mark: string }>();
  #process: ReaperProcess | undefined;
  #closed = false;

  constructor(start: () => ReaperProcess, log: Log) {
    this.#start = start;
    this.#log = log;
  }

  /** Watches over a server: its group, and what carries its mark in its environment. */
  guard(group: ProcessGroup, mark: string): void {
    this.#groups.set(group.leader, { group, mark });
    if (this.#process) this.#process.write(guardLine(group, mark));
    else this.#open();
  }

  release(group: ProcessGroup): void {
    this.#groups.delete(group.leader);
    this.#process?.write(`- ${group.leader}\n`);
  }

  close(): void {
    this.#closed = true;
    this.#process?.close();
  }

  #open(): void {
    const reaper = this.#process = this.#start();
    for (const { group, mark } of this.#groups.values()) reaper.write(guardLine(group, mark));
    void reaper.closed.then(() => {
      this.#process = undefined;
      // Not started again here, lest a program that cannot start is started without end; the
      // next server that is guarded starts it, and it is told of all.
      if (!this.#closed) this.#log.warn("The reaper has ended: servers would survive a kill -9");
    });
  }
}

function guardLine({ leader, started }: ProcessGroup, mark: string): string {
  return `+ ${leader} ${started} ${mark}\n`;
}

/** Starts the reaper as `command args…`, in a session of its own, where no Ctrl-C reaches it. */
export function spawnReaper(command: string, args: readonly string[]): ReaperProcess {
  const child = spawn(command, args, { detached: true, stdio: ["pipe", "ignore", "inherit"] });
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  child.stdin!.on("error", () => {});
  return {
    write: (line) => void child.stdin!.write(line),
    close: () => void child.stdin!.end(),
    closed,
  };
}

/** How long servers may take to end by themselves once their agent is gone. */
const GRACE_MS = 2_000;

const SURVIVED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The reaper's own main function: reads the pipe until it closes, then ends what is left. */
export async function runReaper(input: Readable): Promise<void> {
  // Whoever stops a service sends signals to all its processes; this one has to be the last.
  const ignore = () => {};
  for (const signal of SURVIVED) process.on(signal, ignore);
  const groups = new Map<number, ProcessGroup>();
  const marks = new Map<number, string>();
  const lines = new LineSplitter({
    onLine: (line) => {
      const [sign, leader, started = "", mark = ""] = line.toString("latin1").split(" ");
      // Signals to 0 or 1 would reach ourselves or everyone.
      if (!(Number(leader) > 1)) return;
      if (sign === "+") {
        groups.set(Number(leader), { leader: Number(leader), started });
        if (mark !== "") marks.set(Number(leader), mark);
      }
      if (sign === "-") {
        groups.delete(Number(leader));
        marks.delete(Number(leader));
      }
    },
    onOversized: () => {},
  }, { limit: 256 });
  await new Promise<void>((resolve) => {
    input.on("data", (chunk: Buffer) => lines.push(chunk));
    input.once("end", resolve);
    input.once("close", resolve);
    input.once("error", resolve);
  });
  // Their pipes have closed as well; many servers are on their way out already.
  let left = [...groups.values()].filter((group) => signalGroup(group, "SIGTERM"));
  for (let waited = 0; waited < GRACE_MS && left.length > 0; waited += 50) {
    await delay(50);
    left = left.filter((group) => signalGroup(group, 0));
  }
  for (const group of left) signalGroup(group, "SIGKILL");
  await Promise.all([...marks.values()].map((mark) => endMarked(mark)));
  for (const signal of SURVIVED) process.off(signal, ignore);
}
