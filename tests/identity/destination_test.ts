import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import {
  directorySpec,
  openDestination,
  parseDestinationUri,
} from "../../identity/destination/mod.ts";
import type { DestinationSpec } from "../../identity/destination/mod.ts";
import { silentLog } from "../../identity/log.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

test("a directory is made for its owner alone, and so is every file", async (context) => {
  const path = join(scratch(context), "deep", "machine-id");
  const destination = open(directorySpec(path));
  await destination.prepare();
  await destination.write("identity", "one");
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(join(path, "identity")).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(path).sort(), [".write-test", "identity"]);
  assert.equal(await destination.read("identity"), "one");
  assert.equal(await destination.read("other"), undefined);
  await destination.remove("identity");
  await destination.remove("identity");
  assert.equal(await destination.read("identity"), undefined);
});

test("a file that others could read becomes private when it is written", async (context) => {
  const path = scratch(context);
  writeFileSync(join(path, "key"), "old");
  chmodSync(join(path, "key"), 0o644);
  await open(directorySpec(path)).write("key", "new");
  assert.equal(statSync(join(path, "key")).mode & 0o777, 0o600);
});

test("a symbolic link in place of a file is replaced, and what it led to is not written", async (context) => {
  const path = scratch(context);
  writeFileSync(join(path, "victim"), "untouched");
  symlinkSync(join(path, "victim"), join(path, "identity"));
  await open(directorySpec(path)).write("identity", "secret");
  assert.equal(readFileSync(join(path, "victim"), "utf8"), "untouched");
  assert.equal(readFileSync(join(path, "identity"), "utf8"), "secret");
});

test("a path through a symbolic link is refused unless links are declared insecure", async (context) => {
  const root = scratch(context);
  mkdirSync(join(root, "real"));
  symlinkSync(join(root, "real"), join(root, "link"));
  const spec = directorySpec(join(root, "link", "out"));
  assert.ok(spec.type === "directory");
  await assert.rejects(open({ ...spec, symlinks: "secure" }).prepare(), {
    code: "DESTINATION_UNWRITABLE",
    message: `Cannot write to ${root}/link/out: a symbolic link leads to ${root}/real/out`,
    hint:
      `Configure the path ${root}/real/out, or set \`symlinks: insecure\` if the link can be trusted`,
  });
  assert.ok(!existsSync(join(root, "real", "out", ".write-test")));
  const insecure = open({ ...spec, symlinks: "insecure" });
  await insecure.prepare();
  await insecure.write("identity", "x");
  assert.equal(readFileSync(join(root, "real", "out", "identity"), "utf8"), "x");
});

test("a directory that is a file is refused with its path and what to do", async (context) => {
  const path = join(scratch(context), "file");
  writeFileSync(path, "");
  await assert.rejects(open(directorySpec(path)).prepare(), (error: Error & { hint?: string }) => {
    assert.match(error.message, new RegExp(`^Cannot use the directory ${path}: E`));
    assert.match(error.hint ?? "", /choose another path/);
    assert.equal((error as { code?: string }).code, "DESTINATION_UNWRITABLE");
    return true;
  });
});

test(
  "a directory that may not be written is found out before anything is issued",
  async (context) => {
    const path = scratch(context);
    chmodSync(path, 0o500);
    context.cleanup(() => chmodSync(path, 0o700));
    await assert.rejects(open(directorySpec(path)).prepare(), {
      code: "DESTINATION_UNWRITABLE",
      message: `Cannot use the directory ${path}: EACCES`,
      hint: "Make the user that runs tbot the owner of the directory",
    });
  },
  { skip: process.getuid?.() === 0 ? "root may write anywhere" : false },
);

test("what a crash left unfinished is cleared away once it is old", async (context) => {
  const path = scratch(context);
  const old = join(path, ".identity.0123456789abcdef.tmp");
  const fresh = join(path, ".identity.fedcba9876543210.tmp");
  for (const file of [old, fresh]) writeFileSync(file, "half");
  utimesSync(old, 0, 0);
  await open(directorySpec(path)).prepare();
  assert.ok(!existsSync(old));
  assert.ok(existsSync(fresh));
});

test("a reader during many writes sees only whole files", async (context) => {
  const path = scratch(context);
  const destination = open(directorySpec(path));
  const content = (n: number) => `${n}:${String(n % 10).repeat(20_000)}:${n}\n`;
  await destination.write("identity", content(0));
  let writing = true;
  const reader = (async () => {
    let reads = 0;
    for (; writing; reads++) {
      const text = await readFile(join(path, "identity"), "utf8");
      assert.equal(text, content(Number.parseInt(text)));
    }
    return reads;
  })();
  for (let n = 1; n <= 150; n++) await destination.write("identity", content(n));
  writing = false;
  assert.ok(await reader > 0);
});

test("readers are let in on the new file, before it takes its place", async (context) => {
  const root = scratch(context);
  fakeSetfacl(
    context,
    root,
    `echo "$@" >> ${root}/log; ls ${root}/out/identity >> ${root}/log 2>&1; true`,
  );
  const spec = withReaders(join(root, "out"), "required");
  const destination = open(spec);
  await destination.prepare();
  await destination.write("identity", "x");
  const lines = readFileSync(join(root, "log"), "utf8").split("\n");
  assert.equal(lines[0], `--modify u:alice:x,g:mcp:x -- ${root}/out`);
  const last = lines.findLastIndex((line) => line.startsWith("--modify"));
  assert.match(
    lines[last] ?? "",
    /^--modify u:alice:r,g:mcp:r -- .*\/out\/\.identity\.[0-9a-f]{16}\.tmp$/,
  );
  assert.match(lines[last + 1] ?? "", /No such file/);
});

test("readers that cannot be let in stop a required destination and no other", async (context) => {
  const root = scratch(context);
  fakeSetfacl(context, root, "echo 'Operation not supported' >&2; exit 1");
  await assert.rejects(open(withReaders(join(root, "out"), "required")).prepare(), {
    code: "DESTINATION_UNWRITABLE",
    message: `Cannot let the readers of ${root}/out in: Operation not supported`,
  });
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  await openDestination(withReaders(join(root, "out"), "try"), log).prepare();
  assert.deepEqual([...new Set(warnings)], ["readers were not let in"]);
  await open(withReaders(join(root, "out"), "off")).prepare();
});

test("the memory keeps files for as long as it lives", async () => {
  const destination = open({ type: "memory" });
  await destination.prepare();
  await destination.write("identity", "x");
  assert.equal(await destination.read("identity"), "x");
  await destination.remove("identity");
  assert.equal(await destination.read("identity"), undefined);
});

test("a file that belongs to somebody else stays theirs when root renews it", async (context) => {
  const root = scratch(context);
  const destination = open(directorySpec(join(root, "out")));
  await destination.prepare();
  await destination.write("key", "old");
  chownSync(join(root, "out", "key"), 65_534, 65_534);
  await destination.write("key", "new");
  await destination.write("other", "new");
  const owner = (file: string) => {
    const { gid, mode, uid } = statSync(join(root, "out", file));
    return [uid, gid, mode & 0o777];
  };
  assert.deepEqual(owner("key"), [65_534, 65_534, 0o600]);
  assert.deepEqual(owner("other"), [0, 0, 0o600]);
  assert.equal(await destination.read("key"), "new");
}, { skip: process.getuid?.() === 0 ? false : "only root can give files away" });

test("a destination's URI is a path, a file URI or the memory", () => {
  assert.deepEqual(parseDestinationUri("/opt/machine-id"), directorySpec("/opt/machine-id"));
  assert.deepEqual(parseDestinationUri("./out"), directorySpec("./out"));
  assert.deepEqual(parseDestinationUri("file:///opt/a%20b"), directorySpec("/opt/a b"));
  assert.deepEqual(parseDestinationUri("memory://"), { type: "memory" });
  for (const uri of ["", "kubernetes-secret:///x", "s3://x", "file://host/x"]) {
    assert.throws(() => parseDestinationUri(uri), { code: "CONFIG_INVALID" });
  }
  assert.throws(() => parseDestinationUri("kubernetes-secret:///x"), {
    hint:
      "Kubernetes secrets are not supported: write to a directory on a volume that the pods share",
  });
});

function open(spec: DestinationSpec) {
  return openDestination(spec, silentLog);
}

function withReaders(path: string, acls: "try" | "off" | "required"): DestinationSpec {
  const spec = directorySpec(path);
  assert.ok(spec.type === "directory");
  return { ...spec, acls, readers: [{ user: "alice" }, { group: "mcp" }] };
}

/** Puts a `setfacl` of our own first on the PATH for one test. */
function fakeSetfacl(context: TestContext, root: string, script: string): void {
  const bin = join(root, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "setfacl"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const before = process.env["PATH"];
  process.env["PATH"] = `${bin}${delimiter}${before}`;
  context.cleanup(() => process.env["PATH"] = before);
}

function scratch(context: TestContext): string {
  // Resolved, since some systems' temporary directory is a link.
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "postern-destination-")));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}
