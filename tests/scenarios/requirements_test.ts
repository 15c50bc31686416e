import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "../support/harness.ts";
import { requirements } from "./requirements.ts";

const tests = fileURLToPath(new URL("..", import.meta.url));

/** The ids that a test file names in `proves: […]`. */
function cited(source: string): string[] {
  return [...source.matchAll(/\bproves:\s*\[([^\]]*)\]/g)]
    .flatMap(([, list = ""]) => [...list.matchAll(/"([^"]+)"/g)].map(([, id = ""]) => id));
}

const citations = readdirSync(tests, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith("_test.ts"))
  .flatMap((path) => cited(readFileSync(join(tests, path), "utf8")).map((id) => ({ id, path })));

test("every promised behaviour is proven by at least one test", () => {
  const proven = new Set(citations.map(({ id }) => id));
  assert.deepEqual(Object.keys(requirements).filter((id) => !proven.has(id)), []);
});

test("no test claims to prove what is not promised", () => {
  assert.deepEqual(citations.filter(({ id }) => !Object.hasOwn(requirements, id)), []);
});

test("cited() reads lists on one line and on several", () => {
  const source = 'test("a", f, { prov' + 'es: ["x.y"] });\n{ prov' + 'es: [\n"a.b",\n"c",\n] }';
  assert.deepEqual(cited(source), ["x.y", "a.b", "c"]);
});
