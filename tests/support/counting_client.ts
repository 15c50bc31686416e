/** A client whose every call has an effect at the server, and that checks what became of each. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { HUNG_MS, within } from "./cluster_process.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

export interface CountingWire {
  send(message: object): void;
}

/** What became of a call: a refused one had no effect. */
export type Outcome = "success" | "refused" | "unknown";

export interface CountingOptions {
  /** Calls are numbered from the next number on: whoever shares a file of effects shares numbers. */
  readonly from?: number;
  /** Milliseconds within which each call is answered. */
  readonly deadline?: number;
}

export class CountingClient {
  readonly outcomes = new Map<number, Outcome>();
  readonly failures: string[] = [];
  readonly notices: string[] = [];
  readonly #wire: CountingWire;
  readonly #waiting = new Map<number | string, (answer: Json) => void>();
  /** What was told of each call before its answer. */
  readonly #progress = new Map<number, number[]>();
  readonly #deadline: number;
  #n: number;

  constructor(wire: CountingWire, { from = 0, deadline = HUNG_MS }: CountingOptions = {}) {
    this.#wire = wire;
    this.#n = from;
    this.#deadline = deadline;
  }

  /** A message of the server. */
  take(message: Json): void {
    const { id, method, params } = message;
    if (method === "roots/list") {
      const roots = [{ uri: "file:///tmp", name: "root" }];
      return this.#wire.send({ jsonrpc: "2.0", id, result: { roots } });
    }
    if (method === "notifications/progress") {
      this.#progress.get(params.progressToken)?.push(params.progress);
      return;
    }
    if (method !== undefined) return void this.notices.push(method);
    const resolve = this.#waiting.get(id);
    assert.ok(resolve, `an answer that nobody waits for: ${JSON.stringify(message)}`);
    this.#waiting.delete(id);
    resolve(message);
  }

  request(id: number | string, method: string, params: object = {}): Promise<Json> {
    const answer = new Promise<Json>((resolve) => this.#waiting.set(id, resolve));
    this.#wire.send({ jsonrpc: "2.0", id, method, params });
    return answer;
  }

  async greet(): Promise<void> {
    await this.request("greeting", "initialize", {
      protocolVersion: "2025-11-25",
      capabilities: { roots: {} },
      clientInfo: { name: "counting", version: "1" },
    });
    this.#wire.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  /** One call with an effect of its own. */
  async count(): Promise<Outcome> {
    const n = ++this.#n;
    const told: number[] = [];
    this.#progress.set(n, told);
    const params = { name: "count", arguments: { n }, _meta: { progressToken: n } };
    const answer = this.request(n, "tools/call", params);
    const { result, error } = await within(answer, `the answer to call ${n}`, this.#deadline);
    if (error) this.failures.push(error.message);
    const outcome = result ? "success" : outcomeOf(error.message);
    this.#progress.delete(n);
    if (result) {
      assert.equal(result.content[0].text, n % 3 === 0 ? `${n} root` : String(n));
      assert.deepEqual(told, [1, 2], `the progress of call ${n}`);
    }
    this.outcomes.set(n, outcome);
    return outcome;
  }

  /** Calls so many at a time until told to stop. */
  async work(lanes: number, done: () => boolean): Promise<void> {
    await Promise.all(Array.from({ length: lanes }, async () => {
      while (!done()) await this.count();
    }));
  }

  /**
   * Each effect exactly once where it was answered with success, not once where it was refused, and
   * at most once in all.
   */
  check(effectsFile: string): void {
    const effects = readFileSync(effectsFile, "utf8").trim().split("\n").map(Number);
    const times = new Map<number, number>();
    for (const n of effects) times.set(n, (times.get(n) ?? 0) + 1);
    for (const [n, count] of times) {
      assert.equal(count, 1, `call ${n} had its effect ${count} times`);
    }
    for (const [n, outcome] of this.outcomes) {
      if (outcome === "success") assert.equal(times.get(n), 1, `call ${n} was answered`);
      if (outcome === "refused") assert.equal(times.get(n), undefined, `call ${n} was refused`);
    }
  }
}

function outcomeOf(message: string): Outcome {
  return message.includes("effect is unknown") ? "unknown" : "refused";
}

/** Numbers below 1 that a seed reproduces (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}
