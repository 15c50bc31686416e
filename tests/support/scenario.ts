import { test } from "./harness.ts";
import type { TestBody, TestOptions } from "./harness.ts";

/** The compiled programs are the same whatever runtime the test runs on. */
const ONE_RUNTIME = "Bun" in globalThis ? false : "it drives the same programs under Bun";

/** A test that drives the compiled programs. */
export function scenario(name: string, body: TestBody, options: TestOptions = {}): void {
  test(name, body, { ...options, skip: options.skip || ONE_RUNTIME });
}

/**
 * One whose clients are part of what it shows, so that it runs on both runtimes. The SDK's stdio
 * client does not clear the timers by which it would kill a server that outlives its input.
 */
export function scenarioOnBoth(name: string, body: TestBody, options: TestOptions = {}): void {
  test(name, body, { ...options, timersOf: "@modelcontextprotocol/sdk" });
}
