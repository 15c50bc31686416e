// The identity file as other programs read it: the original's own client library, openssl and
// ssh-keygen, on a file that the compiled tbot has written.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Guide } from "../support/guide.ts";
import { test } from "../support/harness.ts";

const source = fileURLToPath(new URL("../fixtures/go_client", import.meta.url));
const env = {
  ...process.env,
  PATH: `${process.env["PATH"] ?? ""}:/usr/local/go/bin`,
  GOFLAGS: "-mod=readonly",
  GOTOOLCHAIN: "local",
};

/** Why the library cannot be had here, if so: it needs Go, and its modules from a registry. */
function missingGo(): string | false {
  const { status, error } = spawnSync("go", ["mod", "download"], {
    cwd: source,
    env,
    timeout: 120_000,
  });
  if (error) return "there is no Go toolchain";
  return status === 0 ? false : "the library's Go module cannot be downloaded";
}

test(
  "the original's Go client library reads an identity file and shakes hands with it",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const directory = mkdtempSync(join(tmpdir(), "postern-go-"));
    context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
    const reader = join(directory, "reader");
    execFileSync("go", ["build", "-o", reader, "."], { cwd: source, env });
    const report = JSON.parse(
      execFileSync(reader, [guide.identity, guide.cluster.proxy], { encoding: "utf8" }),
    );
    assert.equal(report.version, "TLS 1.3");
    assert.equal(report.protocol, "h2");
    assert.equal(report.serverName, "teleport.cluster.local");
    assert.equal(report.verified, true, "the library has verified the cluster by the file's CAs");
    assert.ok(report.peer.includes("teleport.cluster.local"));
    assert.ok(new Date(report.expiry) > new Date());
  },
  { skip: missingGo(), proves: ["identity.go_client"] },
);

test(
  "openssl and ssh-keygen read the parts of an identity that they understand",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const file = (name: string) => join(guide.directory, "machine-id", name);
    const run = (command: string, ...args: string[]) =>
      execFileSync(command, args, { encoding: "utf8" });

    const certificate = run("openssl", "x509", "-in", file("tlscert"), "-noout", "-text");
    assert.match(certificate, /URI:spiffe:\/\/example\.test\/bot\/example/);
    assert.match(
      run("openssl", "verify", "-CAfile", file("teleport-user-ca.crt"), file("tlscert")),
      /: OK\n$/,
    );
    assert.match(
      run("openssl", "pkey", "-in", file("identity"), "-noout", "-check"),
      /Key is valid/,
    );
    // One key for the whole output: the certificate's is the file's.
    assert.equal(
      run("openssl", "x509", "-in", file("tlscert"), "-noout", "-pubkey"),
      run("openssl", "pkey", "-in", file("identity"), "-pubout"),
    );

    const ssh = run("ssh-keygen", "-L", "-f", file("key-cert.pub"));
    assert.match(ssh, /Type: ecdsa-sha2-nistp256-cert-v01@openssh\.com user certificate/);
    const fingerprint = run("ssh-keygen", "-l", "-f", file("key.pub")).split(" ")[1] ?? "";
    assert.ok(ssh.includes(`Public key: ECDSA-CERT ${fingerprint}`), ssh);
    assert.ok(
      readFileSync(guide.identity, "utf8").includes(readFileSync(file("key-cert.pub"), "utf8")),
    );
  },
  { proves: ["identity.openssl"] },
);

test("tsh reads an identity file whose SSH certificate is in PATH-cert.pub", async (context) => {
  const guide = await Guide.start(context);
  await guide.join();
  const line = ["mcp", "ls", "-i", guide.identity, "--proxy", guide.cluster.proxy];
  const text = readFileSync(guide.identity, "utf8");
  const [certificate = ""] = /^ecdsa-.*\n/m.exec(text) ?? [];
  writeFileSync(guide.identity, text.replace(certificate, ""));
  const without = await guide.run("tsh", ...line);
  assert.equal(without.code, 1);
  assert.match(without.stderr, /holds no SSH certificate, and there is none in .*-cert\.pub \[/);
  writeFileSync(`${guide.identity}-cert.pub`, certificate);
  const beside = await guide.run("tsh", ...line);
  assert.equal(beside.code, 0, beside.stderr);
  assert.match(beside.stdout, /my-mcp-server/);
});
