// What may happen to a cluster on a network, drawn by a seed.
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LOSSY, type Machine, type Narrow, SHUT, SLOW } from "./_network.ts";
import type { Part } from "./_part.ts";
import type { Stage } from "./_stage.ts";

/** What faults are drawn by. */
export interface Dice {
  /** The next number below 1. */
  readonly random: () => number;
  /** Milliseconds of the longest outage; most are far shorter. */
  readonly longest: number;
}

interface Act {
  /** What it happens to: of two faults at once each has its own. */
  readonly target: string;
  play(): Promise<void>;
}

/**
 * Milliseconds, many times the longest outage: whoever waits has to notice by itself. It ends before
 * certificates do.
 */
const gone = ({ longest }: Dice) => Math.min(15 * longest, 75_000);

/** One in so many draws. */
const RARELY = 250;

/** By its name, what a fault does; all are equally likely but the last one. */
const FAULTS: Readonly<Record<string, (stage: Stage, dice: Dice) => Act>> = {
  "relay killed": (stage, dice) => killed(one(stage.relays, dice), dice),
  "agent killed": (stage, dice) => killed(one(stage.agents, dice), dice),
  "authority killed": (stage, dice) => killed(one(stage.authorities, dice), dice),
  "tbot killed": (stage, dice) => killed(stage.tbot, dice),
  "relay drained": (stage, dice) => drained(one(stage.relays, dice)),
  "agent drained": (stage, dice) => drained(one(stage.agents, dice)),
  "authority drained": (stage, dice) => drained(one(stage.authorities, dice)),
  "relay frozen": (stage, dice) => frozen(one(stage.relays, dice), dice),
  "agent frozen": (stage, dice) => frozen(one(stage.agents, dice), dice),
  "authority frozen": (stage, dice) => frozen(one(stage.authorities, dice), dice),
  "tbot frozen": (stage, dice) => frozen(stage.tbot, dice),
  "bridge frozen": ({ callers }, dice) => {
    const { name, pid } = one(callers, dice);
    const outage = outageOf(dice);
    return { target: name, play: () => freeze(pid, outage) };
  },
  "server killed": (_, dice) => {
    const at = dice.random();
    return { target: "server", play: () => Promise.resolve(killServer(at)) };
  },
  "database stopped": ({ database }, dice) => {
    const outage = outageOf(dice);
    return {
      target: database.machine.name,
      play: async () => {
        database.stop();
        await sleep(outage);
        database.start();
      },
    };
  },
  "link cut": ({ machines }, dice) => cut(one(machines, dice), outageOf(dice)),
  "link slow": ({ machines }, dice) => narrowed(one(machines, dice), SLOW, dice),
  "link lossy": ({ machines }, dice) => narrowed(one(machines, dice), LOSSY, dice),
  "link one-way": ({ machines }, dice) => narrowed(one(machines, dice), SHUT, dice),
  "link gone": ({ machines }, dice) => cut(one(machines, dice), gone(dice)),
};

const KINDS = Object.keys(FAULTS);
const [RARE] = KINDS.slice(-1);

/** The next fault, or up to four at once on different targets, with their names; of one kind if given. */
export function draw(
  stage: Stage,
  dice: Dice,
  only: string | undefined,
): { names: string[]; acts: Act[] } {
  const names: string[] = [];
  const acts: Act[] = [];
  const many = only === undefined && dice.random() < 0.2;
  for (const count = many ? 2 + Math.floor(dice.random() * 3) : 1; acts.length < count;) {
    const name = only ?? kindOf(dice);
    const fault = FAULTS[name];
    if (!fault) throw new Error(`there is no fault "${name}", but ${KINDS.join(", ")}`);
    const act = fault(stage, dice);
    if (acts.some(({ target }) => target === act.target)) continue;
    names.push(`${name} (${act.target})`);
    acts.push(act);
  }
  return { names, acts };
}

function kindOf(dice: Dice): string {
  return dice.random() < 1 / RARELY ? RARE! : one(KINDS.slice(0, -1), dice);
}

function cut(machine: Machine, outage: number): Act {
  return {
    target: machine.name,
    play: async () => {
      machine.cut();
      await sleep(outage);
      machine.join();
    },
  };
}

function killed(part: Part, dice: Dice): Act {
  const outage = outageOf(dice);
  return {
    target: part.name,
    play: async () => {
      await part.kill();
      await sleep(outage);
      await part.start();
    },
  };
}

function drained(part: Part): Act {
  return {
    target: part.name,
    play: async () => {
      await part.stop();
      await part.start();
    },
  };
}

function frozen(part: Part, dice: Dice): Act {
  const outage = outageOf(dice);
  return { target: part.name, play: () => freeze(part.pid, outage) };
}

async function freeze(pid: number, milliseconds: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await sleep(milliseconds);
  process.kill(pid, "SIGCONT");
}

function narrowed(machine: Machine, narrow: Narrow, dice: Dice): Act {
  const [direction, outage] = [one(["in", "out"] as const, dice), outageOf(dice)];
  return {
    target: machine.name,
    play: async () => {
      machine.narrow(direction, narrow);
      await sleep(outage);
      machine.widen(direction);
    },
  };
}

/** Milliseconds; short ones hit what has just begun, long ones what gives up. */
function outageOf({ random, longest }: Dice): number {
  return Math.floor(random() ** 3 * longest);
}

function one<T>(of: readonly T[], { random }: Dice): T {
  return of[Math.floor(random() * of.length)]!;
}

function killServer(at: number): void {
  const servers = processes("counting_server.mjs");
  // The one before may have gone, and the next one not have come yet.
  const server = servers[Math.floor(at * servers.length)];
  if (server !== undefined) process.kill(server, "SIGKILL");
}

/** Those of this process namespace whose command line has a word in it. */
export function processes(word: string): number[] {
  return readdirSync("/proc").map(Number).filter((pid) => {
    if (!Number.isInteger(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
    } catch {
      return false;
    }
  });
}
