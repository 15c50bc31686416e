import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "../support/harness.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/errors.md");

/** The members of a union of string literals. */
function members(source: string, type: string): string[] {
  const union = new RegExp(`export type ${type} =([^;]*);`).exec(source)?.[1] ?? "";
  return [...union.matchAll(/"([A-Z_]+)"/g)].map(([, code = ""]) => code);
}

/** The codes in the tables of one section. */
function explained(section: string): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/^\| `\[?([A-Z_]+)\]?`/gm)].map(([, code = ""]) => code);
}

for (
  const [path, type, section] of [
    ["policy/error.ts", "PolicyErrorCode", "Roles and policies"],
    ["identity/error.ts", "IdentityErrorCode", "Identities, tbot and the authority"],
    ["relay/error.ts", "RelayErrorCode", "Sessions, bridge and agent"],
    ["relay/bridge/failure.ts", "FailurePrefix", "What an MCP client shows"],
  ] as const
) {
  test(`docs/errors.md explains each code of ${type}, and no other`, () => {
    const codes = members(read(path), type);
    assert.ok(codes.length > 0);
    assert.deepEqual(explained(section).toSorted(), codes.toSorted());
  });
}
