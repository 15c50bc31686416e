// Faults under a counting workload, on the compiled programs: whatever is cut, killed or stopped,
// each effect happens once where its call was answered with success, and at most once in all.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { eventually, isRunning, nodePath, program, within } from "./cluster_process.ts";
import { CountingClient, seeded } from "./counting_client.ts";
import { Cutter } from "./cutter.ts";
import { Guide } from "./guide.ts";
import type { TestContext } from "./harness.ts";

const SERVER = fileURLToPath(new URL("./counting_server.mjs", import.meta.url));

/** How often each happens, out of a hundred: most faults are those that happen most. */
const KINDS = {
  "connection cut": 70,
  "way blocked": 8,
  "bridge stopped": 6,
  "identity renewed": 6,
  "server killed": 6,
  "agent killed": 4,
} as const;
type Kind = keyof typeof KINDS;

export interface ChaosReport {
  readonly faults: Readonly<Partial<Record<Kind, number>>>;
  readonly calls: number;
  readonly succeeded: number;
}

export interface ChaosOptions {
  readonly faults: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

/** Plays so many faults; throws with the seed when an effect is missing or there twice. */
export async function playChaos(
  context: TestContext,
  { faults, seed, say = () => {} }: ChaosOptions,
): Promise<ChaosReport> {
  const random = seeded(seed);
  const stage = await Stage.set(context);
  await stage.client.greet();
  const played: Partial<Record<Kind, number>> = {};
  let done = false;
  const work = stage.client.work(4, () => done);
  work.catch(() => {});
  for (let fault = 0; fault < faults; fault++) {
    const kind = pick(random());
    await within(Promise.race([stage.play(kind, random), work]), `${kind}, seed ${seed}`);
    played[kind] = (played[kind] ?? 0) + 1;
    // Each fault meets a client at work, not one that still gets over the fault before.
    const before = stage.client.outcomes.size;
    await eventually(() => stage.client.outcomes.size > before + 4, `work goes on, seed ${seed}`);
    if (fault % 10 === 9) say(`${fault + 1} faults, ${stage.client.outcomes.size} calls`);
  }
  done = true;
  await within(work, `the last calls, seed ${seed}`);
  stage.client.check(stage.effects);
  const outcomes = [...stage.client.outcomes.values()];
  const succeeded = outcomes.filter((outcome) => outcome === "success").length;
  const fatal = (played["server killed"] ?? 0) + (played["agent killed"] ?? 0);
  // Four are in flight at a time: only those that a server has taken with it may fail.
  assert.ok(
    outcomes.length - succeeded <= 4 * fatal,
    `${stage.client.failures.join("\n")} ${seed}`,
  );
  await stage.close();
  return { faults: played, calls: outcomes.length, succeeded };
}

function pick(at: number): Kind {
  let left = at * 100;
  for (const [kind, share] of Object.entries(KINDS)) if ((left -= share) < 0) return kind as Kind;
  return "connection cut";
}

class Stage {
  readonly client: CountingClient;
  readonly effects: string;
  readonly #guide: Guide;
  readonly #cutter: Cutter;
  readonly #peer: StdioPeer;

  private constructor(guide: Guide, cutter: Cutter, peer: StdioPeer, client: CountingClient) {
    this.#guide = guide;
    this.#cutter = cutter;
    this.#peer = peer;
    this.client = client;
    this.effects = join(guide.directory, "effects");
  }

  static async set(context: TestContext): Promise<Stage> {
    const guide = await Guide.start(context, {
      command: [
        "/bin/sh",
        "-c",
        `echo $$ > "$PWD/server.pid"; exec "$0" "$1" "$PWD/effects"`,
        nodePath(),
        SERVER,
      ],
    });
    await guide.join();
    writeFileSync(join(guide.directory, "effects"), "");
    const cutter = await Cutter.open(context, guide.cluster.proxy);
    const line = guide.connectLine({ proxy: cutter.address });
    const client = new CountingClient({ send: (message) => peer.send(JSON.stringify(message)) });
    const peer: StdioPeer = new StdioPeer([program("tsh"), ...line], {
      cwd: guide.directory,
      keep: false,
      onLine: (text) => client.take(JSON.parse(text.toString())),
    });
    context.cleanup(() => peer.kill());
    return new Stage(guide, cutter, peer, client);
  }

  async play(kind: Kind, random: () => number): Promise<void> {
    switch (kind) {
      case "connection cut":
        await this.#cutter.cutWithin(Math.floor(random() ** 2 * 40_000));
        return this.#cutter.heal();
      case "way blocked":
        this.#cutter.block();
        await pause(random() * 200);
        return this.#cutter.heal();
      case "bridge stopped":
        process.kill(this.#peer.pid, "SIGSTOP");
        this.#cutter.cut();
        await pause(random() * 100);
        process.kill(this.#peer.pid, "SIGCONT");
        return;
      case "identity renewed":
        return void await this.#guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
      case "server killed":
        return this.#killServer();
      case "agent killed":
        await this.#guide.cluster.agent.kill();
        await this.#guide.cluster.start();
    }
  }

  #killServer(): void {
    const server = Number(readFileSync(join(this.#guide.directory, "server.pid"), "utf8"));
    // The one before may have gone, and the next one not have come yet.
    if (isRunning(server)) process.kill(server, "SIGKILL");
  }

  async close(): Promise<void> {
    await this.#peer.close();
  }
}

/** Only spreads where a fault hits; how long it is decides nothing. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
