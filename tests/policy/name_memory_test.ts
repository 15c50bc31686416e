import assert from "node:assert/strict";
import { NameMemory } from "../../policy/_name_memory.ts";
import { test } from "../support/harness.ts";

const ANSWERS = [{ n: 0 }, { n: 1 }, { n: 2 }] as const;

test("a memory keeps the names that come again, each with its own answer", () => {
  const memory = new NameMemory<object>();
  const names = Array.from({ length: 1000 }, (_, i) => `tool_${i}_of_many`);
  for (let round = 0; round < 40; round++) {
    names.forEach((name, i) => memory.get(name) ?? memory.keep(name, ANSWERS[i % 3]!));
  }
  assert.equal(memory.known.size, names.length);
  names.forEach((name, i) => assert.equal(memory.get(name), ANSWERS[i % 3]));
});

test("a memory does not grow with names that come once, nor past its limit", () => {
  const once = new NameMemory<object>();
  for (let i = 0; i < 50_000; i++) once.keep(`once_${i}`, ANSWERS[0]);
  assert.ok(once.known.size < 100, `${once.known.size} kept`);
  for (const at of ["first", "second"] as const) {
    const memory = new NameMemory<object>(at);
    for (let i = 0; i < 20_000; i++) {
      for (let time = 0; time < 3; time++) memory.keep(`name_${i}`, ANSWERS[1]);
      assert.ok(memory.known.size <= 4096);
    }
    assert.ok(memory.known.size > 0);
  }
});

test("a memory keeps no long names", () => {
  const memory = new NameMemory<object>("first");
  memory.keep("x".repeat(257), ANSWERS[0]);
  assert.equal(memory.known.size, 0);
  memory.keep("x".repeat(256), ANSWERS[0]);
  assert.equal(memory.known.size, 1);
});

test("memories do not answer for each other", () => {
  const [one, other] = [new NameMemory<object>("first"), new NameMemory<object>("first")];
  one.keep("echo", ANSWERS[0]);
  assert.equal(other.get("echo"), undefined);
});
