// Readers of an output while it is renewed; `deno task soak:tbot` renews ten thousand times.
import assert from "node:assert/strict";
import { test } from "../support/harness.ts";
import { renewUnderRead } from "../support/renewals.ts";

test("another process that reads an output all the time never meets a torn or mixed set of files", async () => {
  const { reads, torn, versions } = await renewUnderRead(60);
  assert.deepEqual(torn, []);
  assert.ok(reads >= 60, `${reads} reads`);
  assert.ok(versions > 10, `${versions} versions seen`);
});
