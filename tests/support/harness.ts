// One suite, two runtimes: `test` registers with bun:test under Bun and with Deno.test under Deno.
// A test that leaves a socket or server behind fails on both; Deno catches forgotten timers too.
import { readdirSync, readlinkSync } from "node:fs";
import process from "node:process";

/** What a test body may use. */
export interface TestContext {
  /** Runs `fn` when the test ends, however it ends; the last registered runs first. */
  cleanup(fn: () => unknown): void;
  /** Aborted when the test ends. */
  readonly signal: AbortSignal;
}

export type TestBody = (context: TestContext) => void | Promise<void>;

export interface TestOptions {
  /** Ids in tests/scenarios/requirements.ts that this test proves. */
  readonly proves?: readonly string[];
  /** Why the test cannot run here; it is then reported as skipped, never as passed. */
  readonly skip?: string | false;
  /** The library that leaves timers of its own behind; those that Deno finds are then let be. */
  readonly timersOf?: string;
  /** Milliseconds after which a hung test is failed (default 120,000). Never part of a verdict. */
  readonly timeout?: number;
}

const HUNG_MS = 120_000;
const bun = "Bun" in globalThis ? await import("bun:test") : undefined;

/** Registers one test; its name is a sentence that promises something. */
export function test(name: string, body: TestBody, options: TestOptions = {}): void {
  const title = options.skip ? `${name} [not run: ${options.skip}]` : name;
  const run = () => leakChecked(() => runBody(body));
  if (bun) {
    if (options.skip) bun.test.skip(title, run);
    else bun.test(title, run, options.timeout ?? HUNG_MS);
    return;
  }
  Deno.test({
    name: title,
    ignore: Boolean(options.skip),
    sanitizeOps: options.timersOf === undefined,
    sanitizeResources: true,
    fn: run,
  });
}

async function runBody(body: TestBody): Promise<void> {
  const cleanups: (() => unknown)[] = [];
  const controller = new AbortController();
  try {
    await body({ cleanup: (fn) => void cleanups.push(fn), signal: controller.signal });
  } finally {
    controller.abort();
    for (const fn of cleanups.reverse()) await fn();
  }
}

/**
 * Fails a test that leaves a socket open. Neither runtime reports `node:net` handles, so the
 * operating system is asked; Deno's own sanitizer watches timers and operations besides.
 */
async function leakChecked(run: () => Promise<void>): Promise<void> {
  const before = openSockets();
  await run();
  // Closing is asynchronous: give sockets some turns of the loop to go.
  for (let turn = 0; turn < 200 && openSockets() > before; turn++) {
    await new Promise((resolve) => setTimeout(resolve, turn < 20 ? 0 : 10));
  }
  const left = openSockets() - before;
  if (left > 0) throw new Error(`the test left ${left} socket(s) open`);
}

function openSockets(): number {
  if (process.platform !== "linux") return 0;
  let count = 0;
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:")) count++;
    } catch {
      // The descriptor that lists the directory is gone again.
    }
  }
  return count;
}
