import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { generateKeyPair } from "../../identity/keys.ts";
import { mpint } from "../../identity/ssh/_wire.ts";
import {
  certAuthorityLine,
  createSshCa,
  issueSshCertificate,
  sshPublicKey,
} from "../../identity/ssh/mod.ts";
import { test } from "../support/harness.ts";

const skip = spawnSync("ssh-keygen", ["-?"]).error ? "no ssh-keygen on this machine" : false;
const ca = createSshCa();
const holder = generateKeyPair();
const dates = {
  validAfter: new Date("2026-11-23T12:00:00.900Z"),
  validBefore: new Date("2026-11-23T13:00:00Z"),
};

test("ssh-keygen reads an issued user certificate as it was meant", (context) => {
  const line = issueSshCertificate({
    ca,
    publicKey: holder.publicKey,
    keyId: "bot-robot",
    principals: ["deploy", "root"],
    kind: "user",
    extensions: { "permit-pty": "", "permit-agent-forwarding": "" },
    ...dates,
  });
  assert.doesNotMatch(line, /\n/);
  const shown = keygen(context, ["-L"], line);
  const serial = /Serial: \d+/;
  assert.match(shown, serial);
  assert.equal(
    shown.replace(/^.*\n/, "").replace(serial, "Serial: n").replace(/SHA256:\S+/g, "SHA256:…")
      .replace(/ +$/gm, ""),
    `        Type: ecdsa-sha2-nistp256-cert-v01@openssh.com user certificate
        Public key: ECDSA-CERT SHA256:…
        Signing CA: ECDSA SHA256:… (using ecdsa-sha2-nistp256)
        Key ID: "bot-robot"
        Serial: n
        Valid: from 2026-11-23T12:00:00 to 2026-11-23T13:00:00
        Principals:
                deploy
                root
        Critical Options: (none)
        Extensions:
                permit-agent-forwarding
                permit-pty
`,
  );
}, { skip });

test("ssh-keygen accepts the signature of every certificate", (context) => {
  // Some signatures have halves with a leading zero or a set top bit: one alone would not show it.
  for (let i = 0; i < 12; i++) {
    const line = issueSshCertificate({
      ca,
      publicKey: generateKeyPair().publicKey,
      keyId: "host",
      principals: ["host.test"],
      kind: "host",
      ...dates,
    });
    assert.match(keygen(context, ["-L"], line), /host certificate/);
  }
  assert.match(keygen(context, ["-l"], sshPublicKey(holder.publicKey)), /^256 SHA256:.*ECDSA/);
}, { skip });

test("ssh-keygen refuses a certificate with a changed byte", (context) => {
  const line = issueSshCertificate({
    ca,
    publicKey: holder.publicKey,
    keyId: "bot-robot",
    principals: ["root"],
    kind: "user",
    ...dates,
  });
  const [type, base64 = ""] = line.split(" ");
  const bytes = Buffer.from(base64, "base64");
  const place = bytes.indexOf("bot-robot");
  bytes[place] = "c".charCodeAt(0);
  assert.throws(() => keygen(context, ["-L"], `${type} ${bytes.toString("base64")}`));
}, { skip });

test("an SSH certificate without principals is not issued, since it would be good for all", () => {
  assert.throws(
    () =>
      issueSshCertificate({
        ca,
        publicKey: holder.publicKey,
        keyId: "bot",
        principals: [],
        kind: "user",
        ...dates,
      }),
    { name: "IdentityError", code: "BAD_REQUEST" },
  );
});

test("integers have no leading zero, except where the top bit would be a sign", () => {
  const cases: [number[], string][] = [
    [[0, 0, 1], "0000000101"],
    [[0x80], "000000020080"],
    [[0, 0xff, 0], "0000000300ff00"],
    [[0x7f], "000000017f"],
    [[0], "00000000"],
  ];
  for (const [bytes, hex] of cases) {
    assert.equal(mpint(Uint8Array.from(bytes)).toString("hex"), hex);
  }
});

test("certAuthorityLine() trusts the CA for hosts of the cluster only", () => {
  assert.equal(
    certAuthorityLine("demo.test", "ecdsa-sha2-nistp256 AAAA"),
    "@cert-authority demo.test,*.demo.test ecdsa-sha2-nistp256 AAAA type=host",
  );
});

function keygen(
  context: { cleanup(fn: () => unknown): void },
  args: readonly string[],
  line: string,
): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-ssh-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "key.pub");
  writeFileSync(file, `${line}\n`);
  const { status, stdout, stderr } = spawnSync("ssh-keygen", [...args, "-f", file], {
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC" },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}
