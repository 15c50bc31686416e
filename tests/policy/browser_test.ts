// policy/ runs where there is nothing but the language and the URL class, which every browser has:
// bundled for one, it gives the same answers as here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { runPolicyTests } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const hasBun = spawnSync("bun", ["--version"]).status === 0;
const vectors = new URL("../vectors/policy/", import.meta.url);
const module = fileURLToPath(new URL("../../policy/mod.ts", import.meta.url));

function bundle(): string {
  const folder = mkdtempSync(join(tmpdir(), "postern-browser-"));
  try {
    const entry = join(folder, "entry.ts");
    writeFileSync(
      entry,
      `import * as policy from ${JSON.stringify(module)};\nglobalThis.policy = policy;\n`,
    );
    const built = spawnSync("bun", ["build", entry, "--target=browser", "--format=iife"], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    assert.equal(built.status, 0, built.stderr);
    return built.stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("policy/, bundled for a browser, answers every vector as it does here", () => {
  const context = createContext({ URL });
  runInContext(bundle(), context);
  const names = readdirSync(vectors).filter((name) => name.endsWith(".yaml")).sort();
  const files = names.map((file) => ({
    file,
    text: readFileSync(new URL(file, vectors), "utf8"),
  }));
  const noFiles = () => {
    throw new Error("no files");
  };
  const here = runPolicyTests(files, noFiles);
  Object.assign(context, { files: JSON.stringify(files) });
  const there = JSON.parse(
    runInContext(
      `JSON.stringify(policy.runPolicyTests(JSON.parse(files), () => { throw new Error("no files") }))`,
      context,
    ),
  );
  assert.ok(there.passed > 300);
  assert.deepEqual(there, JSON.parse(JSON.stringify(here)));
}, { skip: hasBun ? false : "bun, which bundles, is not on the PATH" });
