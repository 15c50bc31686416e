// A program that is kept running, as a service manager would keep it.
import assert from "node:assert/strict";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HUNG_MS, type ProgramName, RunningProgram } from "../../tests/support/cluster_process.ts";
import type { Machine } from "./_network.ts";

/** Milliseconds until one that has ended by itself is started again. */
const RESTART_MS = 250;

/** Characters of stderr that are shown of one that has ended badly. */
const SAID_LAST = 2_000;

export interface PartOptions {
  readonly machine: Machine;
  readonly program: ProgramName;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Whether it is ready, by what it has printed; at once without it. */
  readonly ready?: (stdout: string) => boolean;
}

export class Part {
  readonly name: string;
  readonly machine: Machine;
  /** How often it has ended without being asked to. */
  ended = 0;
  readonly #options: PartOptions;
  #process: RunningProgram | undefined;
  #starts = 0;

  constructor(options: PartOptions) {
    this.machine = options.machine;
    this.name = options.machine.name;
    this.#options = options;
  }

  get pid(): number {
    return this.#process?.pid ?? -1;
  }

  get stdout(): string {
    return this.#process?.stdout ?? "";
  }

  /** Starts it, as often as that takes, and waits until it is ready. */
  async start(): Promise<void> {
    const { program, args, cwd, machine, ready } = this.#options;
    const end = Date.now() + HUNG_MS;
    while (true) {
      this.#keepLogs();
      const process = this.#process = new RunningProgram(program, args, {
        cwd,
        enter: machine.enter,
      });
      void process.ended.then(() => this.#onEnd(process));
      try {
        if (ready) await process.until(() => ready(process.stdout), `${this.name} was ready`);
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
        await sleep(RESTART_MS);
      }
    }
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    const process = this.#leave();
    await process?.kill();
  }

  /** Asks it to end, which it does with 0; if not, what it said last tells why. */
  async stop(): Promise<void> {
    const process = this.#leave();
    const code = await process?.stop();
    assert.equal(code, 0, `${this.name} ended with ${code}: ${process?.stderr.slice(-SAID_LAST)}`);
  }

  /** From now on its end is no accident. */
  #leave(): RunningProgram | undefined {
    const process = this.#process;
    this.#process = undefined;
    return process;
  }

  #onEnd(ended: RunningProgram): void {
    if (this.#process !== ended) return;
    this.ended++;
    // What waits until it is ready starts it again itself.
    const { ready } = this.#options;
    if (ready && !ready(ended.stdout)) return;
    setTimeout(() => void (this.#process === ended && this.start()), RESTART_MS);
  }

  /** The log of a run that has ended says why something failed later. */
  #keepLogs(): void {
    const { program, cwd } = this.#options;
    const log = join(cwd, `${program}.log`);
    if (existsSync(log)) renameSync(log, join(cwd, `${program}.${this.#starts}.log`));
    this.#starts++;
  }
}
