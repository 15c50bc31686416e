import { test } from "./harness.ts";
import type { TestBody, TestOptions } from "./harness.ts";

/**
 * A test that drives the programs with the SDK's stdio client, which does not clear the timers by
 * which it would kill a server that outlives its input.
 */
export function scenario(name: string, body: TestBody, options: TestOptions = {}): void {
  test(name, body, { ...options, timersOf: "@modelcontextprotocol/sdk" });
}
