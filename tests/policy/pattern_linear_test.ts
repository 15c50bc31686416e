// Linear time is proved by counting instructions, not by a clock.
import assert from "node:assert/strict";
import { globNode } from "../../policy/pattern/_ast.ts";
import { Dfa } from "../../policy/pattern/_dfa.ts";
import { Group } from "../../policy/pattern/_group.ts";
import { parseRegex } from "../../policy/pattern/_parse.ts";
import type { Program } from "../../policy/pattern/_program.ts";
import { compileSearch, MAX_PROGRAM } from "../../policy/pattern/_program.ts";
import { compilePattern, compilePatternSet } from "../../policy/pattern/mod.ts";
import { test } from "../support/harness.ts";

/** Expressions on which a backtracking engine takes exponential or cubic time. */
const EVIL = [
  "^(?:(?:a|a|aa)+x|a*b)$",
  "^(a+)+$",
  "^(a*)*b$",
  "^(a|a?)+$",
  "^(?:.*a){12}$",
  "^.*a.*a.*a.*a$",
  "^(?:a?){50}a{50}$",
  "^(x+x+)+y$",
  "^.*[ab].{60}x$",
  "^(?:\\b[ab]\\B?){0,80}x$",
  "^(?m)(?:^a*$\\n?)*b$",
];

/** At most so often is one instruction looked at for one character: as itself, and by short ways. */
const VISITS = 16;

for (const source of EVIL) {
  test(`${source} looks at each instruction a fixed number of times for each character`, () => {
    const program = compileSearch([parseRegex(source).node]);
    for (const length of [50, 500, 5000]) {
      // Little memory, so that states are dropped and built again all the time.
      const dfa = new Dfa(program, 2048);
      for (const last of ["", "b", "x", "y\n"]) dfa.match(mixed(length) + last);
      const bound = 4 * (length + 4) * program.op.length * VISITS;
      assert.ok(dfa.visits <= bound, `${dfa.visits} > ${bound} at ${length}`);
    }
  });
}

test("the largest program stays within the same bound", () => {
  const program = compileSearch([parseRegex("^[ab]{0,1000}[ab]{0,1000}x$").node]);
  assert.ok(program.op.length > 0.8 * MAX_PROGRAM);
  const dfa = new Dfa(program, 256 * 1024);
  assert.equal(dfa.match(mixed(1024)), -1);
  assert.ok(dfa.visits <= 1026 * program.op.length * VISITS);
});

test("a text seen before is matched without looking at any instruction", () => {
  const dfa = new Dfa(compileSearch([parseRegex("^(?:(?:a|a|aa)+x|a*b)$").node]), 1 << 18);
  const text = "a".repeat(1024) + "b";
  assert.equal(dfa.match(text), 0);
  const visits = dfa.visits;
  assert.equal(dfa.match(text), 0);
  assert.equal(dfa.visits, visits);
});

test("the states of an automaton stay within their share of memory", () => {
  const program = compileSearch([parseRegex("^.*a.{12}x$").node]);
  const dfa = new Dfa(program, 64 * 1024);
  for (let i = 0; i < 200; i++) dfa.match(scrambled(i, 300));
  assert.ok(dfa.overflows > 0, "this test must reach the limit");
  assert.ok(dfa.states <= dfa.maxStates);
  assert.ok(dfa.maxStates * 4 * (program.sets.length + 2) <= 64 * 1024);
});

test("200 instructions on a kilobyte cost a fixed number of looks, whatever they are", () => {
  const sources = ["^.*a.{190}x$", "^(?:a?){95}c$", "^(?:a|ab|b){60}c$", "^(?:[ab]*x?){45}c$"];
  for (const source of sources) {
    const program = compileSearch([parseRegex(source).node]);
    assert.ok(program.op.length <= 400, `${source}: ${program.op.length}`);
    const dfa = new Dfa(program, 256 * 1024);
    dfa.match(scrambled(7, 1024, "ab"));
    // What a machine looks at in a millisecond, with room to spare.
    assert.ok(dfa.visits <= 1024 * 400, `${source}: ${dfa.visits}`);
  }
});

test("a program with more classes than are kept stays within the same bound", () => {
  const letters = Array.from({ length: 700 }, (_, i) => String.fromCodePoint(0x4e00 + 2 * i));
  const program = compileSearch([parseRegex(`^(?:${letters.join("|")})*x$`).node]);
  const dfa = new Dfa(program, 64 * 1024);
  for (let round = 0; round < 3; round++) assert.equal(dfa.match(letters.join("") + "x"), 0);
  assert.equal(dfa.match(letters.join("")), -1);
  assert.ok(dfa.visits <= 4 * 702 * program.op.length * VISITS);
});

test("no set of patterns makes the automata of a group outgrow their share", () => {
  const bytes = 128 * 1024;
  const members = Array.from({ length: 24 }, (_, index) => {
    const pieces = ["", "ab".repeat(index % 3) + index, "a", `${index % 7}b`, "b", ""];
    return { node: globNode(pieces), index };
  });
  const group = new Group(members, bytes);
  // A leaf has 32 kB at least, and a state costs 64 bytes at least.
  const limit = Math.max(bytes, members.length * 32 * 1024) / 64;
  for (let i = 0; i < 600; i++) {
    group.lowest(scrambled(i, 80, "ab0123456789"));
    assert.ok(group.states <= limit, `${group.states} states`);
    if (!group.isSplit) assert.ok(group.states <= bytes / 64);
  }
  assert.ok(group.isSplit, "this test must reach the limit");
});

test("dropping states changes no verdict", () => {
  const program: Program = compileSearch(
    ["^.*a.{5}x", "b.{3}$", "^(?:ab|ba)*$"].map((source) => parseRegex(source).node),
  );
  const small = new Dfa(program, 0);
  const large = new Dfa(program, 1 << 24);
  for (let i = 0; i < 500; i++) {
    const text = scrambled(i, i % 40);
    assert.equal(small.match(text), large.match(text), text);
  }
  assert.ok(small.overflows > 0);
  assert.equal(large.overflows, 0);
});

test("a set whose states multiply splits, and gives the same verdicts before and after", () => {
  const sources = Array.from({ length: 30 }, (_, i) => `*${"ab".repeat(i % 3)}${i}*a*${i % 7}b*`);
  const patterns = sources.map((source) => {
    const result = compilePattern(source);
    assert.ok(result.ok);
    return result.pattern;
  });
  const set = compilePatternSet(patterns);
  for (let i = 0; i < 400; i++) {
    const text = scrambled(i, 60, "ab0123456789");
    assert.equal(set.firstMatch(text), patterns.findIndex((p) => p.test(text)), text);
  }
});

function mixed(length: number): string {
  return "a".repeat(length >> 1) + scrambled(length, length >> 2) + "x".repeat(length >> 2);
}

/** Text that looks random and is the same every time. */
function scrambled(seed: number, length: number, letters = "abx"): string {
  let state = seed * 2654435761 + 12345;
  let text = "";
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += letters[(state >>> 16) % letters.length]!;
  }
  return text;
}
