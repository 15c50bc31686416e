// Machines on a network of this process's own: a bridge here, and a network namespace for each
// machine. Needs the namespaces that `_namespaces.ts` makes; they end with this process.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";

const NETWORK = "10.77.0";

/** What a link does to packets in one direction; the queue holds so many bytes, the rest is lost. */
export interface Narrow {
  /** Bits per second. */
  readonly rate: number;
  /** Bytes. */
  readonly queue: number;
}

export type Direction = "in" | "out";

/** A queue takes whole packets: less than this is a way that nothing passes. */
const PACKET = 1600;

/** Packets wait for up to a second. */
export const SLOW: Narrow = { rate: 256_000, queue: 32_000 };
/** What comes faster than it leaves is lost. */
export const LOSSY: Narrow = { rate: 1_000_000, queue: 2_400 };
/** Nothing passes. */
export const SHUT: Narrow = { rate: 8_000, queue: 40 };

export class Network {
  #count = 0;

  private constructor() {}

  static open(): Network {
    // Names of namespaces are files here, seen by nobody else.
    run("mount", "-t", "tmpfs", "tmpfs", "/run");
    mkdirSync("/run/netns");
    run("ip", "link", "set", "lo", "up");
    run("ip", "link", "add", "hub", "type", "bridge");
    run("ip", "address", "add", `${NETWORK}.1/24`, "dev", "hub");
    run("ip", "link", "set", "hub", "up");
    return new Network();
  }

  /** Another machine, with a link of its own to all others. */
  add(name: string): Machine {
    return new Machine(name, ++this.#count);
  }
}

export class Machine {
  readonly name: string;
  readonly address: string;
  /** What a command begins with that is to run there. */
  readonly enter: readonly string[];
  readonly #link: string;

  constructor(name: string, number: number) {
    this.name = name;
    this.address = `${NETWORK}.${number + 9}`;
    this.enter = ["nsenter", `--net=/run/netns/${name}`, "--"];
    this.#link = `hub${number}`;
    run("ip", "netns", "add", name);
    run("ip", "link", "add", this.#link, "type", "veth", "peer", "name", "eth0", "netns", name);
    run("ip", "link", "set", this.#link, "master", "hub", "up");
    run("ip", "-n", name, "link", "set", "lo", "up");
    run("ip", "-n", name, "address", "add", `${this.address}/24`, "dev", "eth0");
    run("ip", "-n", name, "link", "set", "eth0", "up");
  }

  /** Nothing comes and nothing goes, and nobody is told. */
  cut(): void {
    run("ip", "link", "set", this.#link, "down");
  }

  /** A cut link is whole again. */
  join(): void {
    run("ip", "link", "set", this.#link, "up");
  }

  narrow(direction: Direction, { rate, queue }: Narrow): void {
    const burst = Math.min(queue, PACKET);
    run(...this.#queue(direction, "replace"), ...words(`tbf rate ${rate}bit burst ${burst}`), ...[
      "limit",
      `${queue}`,
    ]);
  }

  widen(direction: Direction): void {
    run(...this.#queue(direction, "delete"));
  }

  #queue(direction: Direction, verb: string): [string, ...string[]] {
    return direction === "in"
      ? ["tc", "qdisc", verb, "dev", this.#link, "root"]
      : ["tc", "-n", this.name, "qdisc", verb, "dev", "eth0", "root"];
  }
}

function words(text: string): string[] {
  return text.split(" ");
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr || error}`);
}
