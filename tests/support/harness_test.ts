import assert from "node:assert/strict";
import { test } from "./harness.ts";

const order: string[] = [];

test("test() runs a body and registers its cleanups", ({ cleanup }) => {
  cleanup(() => order.push("first registered"));
  cleanup(() => order.push("last registered"));
  order.push("body");
});

test("cleanup() runs what was registered after the body, last first", () => {
  assert.deepEqual(order, ["body", "last registered", "first registered"]);
});
