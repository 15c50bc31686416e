import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkIdentity, identityCluster, identityExpiry } from "../../identity/identity_check.ts";
import {
  formatIdentityFile,
  parseIdentityFile,
  readIdentityFile,
} from "../../identity/identity_file.ts";
import type { IdentityFile } from "../../identity/identity_file.ts";
import { generateKeyPair } from "../../identity/keys.ts";
import { certAuthorityLine, createSshCa, issueSshCertificate } from "../../identity/ssh/mod.ts";
import { createCa, issueCertificate } from "../../identity/x509/mod.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const cluster = "demo.test";
const start = new Date("2026-11-23T12:00:00Z");
const end = new Date("2026-11-23T13:00:00Z");
const file = await identity();
const text = formatIdentityFile(file);

test("an identity file has its parts in the guide's order, each ending in a newline", () => {
  assert.deepEqual(
    text.split("\n").filter((line) => /BEGIN|^ecdsa|^@/.test(line)).map((l) => l.slice(0, 32)),
    [
      "-----BEGIN PRIVATE KEY-----",
      "ecdsa-sha2-nistp256-cert-v01@ope",
      "-----BEGIN CERTIFICATE-----",
      "@cert-authority demo.test,*.demo",
      "-----BEGIN CERTIFICATE-----",
      "-----BEGIN CERTIFICATE-----",
    ],
  );
  assert.ok(text.endsWith("-----END CERTIFICATE-----\n"));
});

test("an identity file is read back as it was written", () => {
  assert.deepEqual(parseIdentityFile(text, "identity"), file);
});

test("line ends of Windows, blank lines and other text do not matter", () => {
  const noisy = `# from tbot\n\n${text.replaceAll("@cert", "\n@cert")}`.replaceAll("\n", "\r\n");
  assert.deepEqual(parseIdentityFile(noisy, "identity"), file);
});

test("no cut of an identity file is taken for a whole one", () => {
  // A file that ends exactly after a CA is whole as far as anyone can tell.
  const lastCa = text.lastIndexOf("-----BEGIN");
  const read: number[] = [];
  for (let length = 0; length < text.length - 1; length++) {
    try {
      parseIdentityFile(text.slice(0, length), "identity");
      read.push(length);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "IDENTITY_FILE_INVALID");
    }
  }
  assert.deepEqual(read, [lastCa - 1, lastCa]);
});

test("a cut block is named as a fragment, with the path and what to do", () => {
  assert.throws(() => parseIdentityFile(text.slice(0, -40), "/opt/machine-id/identity"), {
    name: "IdentityError",
    code: "IDENTITY_FILE_INVALID",
    message:
      "Cannot use the identity file /opt/machine-id/identity: invalid PEM block (fragment) after 3 whole ones",
    hint: "Let tbot write it anew; a copy made by hand may be incomplete",
  });
});

const other = generateKeyPair();
const wrong: Record<string, [string, RegExp]> = {
  "an empty file": ["", /no private key/],
  "a certificate where the key should be": [file.tlsCertificate + text, /type CERTIFICATE/],
  "a key where a certificate should be": [file.key + file.key + text, /block 2 is of the type/],
  "a file without an SSH certificate": [
    text.replace(/^ecdsa.*\n/m, ""),
    /holds no SSH certificate/,
  ],
  "a file without CAs": [
    formatIdentityFile({ ...file, tlsCas: [] }),
    /ends before the certificates of the CAs/,
  ],
  "another key than the certificate's": [
    formatIdentityFile({ ...file, key: other.privateKey }),
    /do not belong together/,
  ],
  "a block that holds nonsense": [
    formatIdentityFile({ ...file, tlsCas: [pem("CERTIFICATE", "AAAA")] }),
    /cannot be read/,
  ],
};
for (const [what, [content, message]] of Object.entries(wrong)) {
  test(`parseIdentityFile() refuses ${what}`, () => {
    assert.throws(() => parseIdentityFile(content, "identity"), {
      code: "IDENTITY_FILE_INVALID",
      message,
    });
  });
}

test("readIdentityFile() tells a missing file from a wrong one", async (context) => {
  const directory = scratch(context);
  const path = join(directory, "identity");
  await assert.rejects(readIdentityFile(path), {
    code: "IDENTITY_FILE_MISSING",
    message: `Cannot read the identity file ${path}: there is none`,
  });
  await assert.rejects(readIdentityFile(directory), {
    code: "IDENTITY_FILE_INVALID",
    hint: `Name the file in it: ${directory}/identity`,
  });
  writeFileSync(path, "x".repeat(1024 * 1024 + 1));
  await assert.rejects(readIdentityFile(path), { code: "IDENTITY_FILE_INVALID" });
  writeFileSync(path, text);
  assert.deepEqual(await readIdentityFile(path), file);
});

test("an SSH certificate that the identity file lacks is read from PATH-cert.pub", async (context) => {
  const path = join(scratch(context), "identity");
  const without = text.replace(/^ecdsa.*\n/m, "");
  writeFileSync(path, without);
  await assert.rejects(readIdentityFile(path), {
    code: "IDENTITY_FILE_INVALID",
    message:
      `Cannot use the identity file ${path}: it holds no SSH certificate, and there is none in ${path}-cert.pub`,
  });
  writeFileSync(`${path}-cert.pub`, "ecdsa-sha2-nistp256 AAAA a key, and no certificate\n");
  await assert.rejects(readIdentityFile(path), { message: /none in .*identity-cert\.pub$/ });
  writeFileSync(`${path}-cert.pub`, `${file.sshCertificate}\n`);
  assert.deepEqual(await readIdentityFile(path), file);
});

test("PATH-cert.pub is no second chance for other faults, and what is in the file counts", async (context) => {
  const path = join(scratch(context), "identity");
  writeFileSync(`${path}-cert.pub`, "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAA another\n");
  writeFileSync(path, text);
  assert.deepEqual(await readIdentityFile(path), file);
  writeFileSync(path, text.replace(/^ecdsa.*\n/m, "").slice(0, -40));
  await assert.rejects(readIdentityFile(path), { message: /fragment/ });
  writeFileSync(path, text.replace(/^ecdsa.*\n/m, ""));
  writeFileSync(`${path}-cert.pub`, "x".repeat(1024 * 1024 + 1));
  await assert.rejects(readIdentityFile(path), {
    message: `Cannot use the identity file ${path}-cert.pub: it has 1048577 bytes`,
  });
});

test("an identity tells its cluster and its end, and is refused from then on", () => {
  assert.equal(identityCluster(file), cluster);
  assert.equal(identityExpiry(file).toISOString(), end.toISOString());
  checkIdentity(file, new Date(end.getTime() - 1));
  assert.throws(() => checkIdentity(file, end), {
    code: "CERTIFICATE_EXPIRED",
    message: "Cannot use the identity: it expired at 2026-11-23T13:00:00.000Z",
    hint: /tbot/,
  });
});

test("a certificate without a SPIFFE ID of a machine has no cluster", () => {
  const [ca = ""] = file.tlsCas;
  assert.throws(() => identityCluster({ tlsCertificate: ca }), { code: "IDENTITY_FILE_INVALID" });
});

async function identity(): Promise<IdentityFile> {
  const dates = { notBefore: start, notAfter: new Date("2027-11-23T12:00:00Z") };
  const userCa = await createCa({ cluster, kind: "user", ...dates });
  const hostCas = [
    await createCa({ cluster, kind: "host", ...dates }),
    await createCa({ cluster, kind: "host", ...dates }),
  ];
  const sshCa = createSshCa();
  const { privateKey, publicKey } = generateKeyPair();
  const { certificate } = await issueCertificate(userCa, {
    cluster,
    publicKey,
    claims: {
      kind: "identity",
      bot: "robot",
      instance: "0".repeat(32),
      roles: ["access"],
      traits: {},
      reissue: true,
    },
    notBefore: start,
    notAfter: end,
    usage: ["client"],
  });
  return {
    key: privateKey,
    sshCertificate: issueSshCertificate({
      ca: sshCa,
      publicKey,
      keyId: "bot-robot",
      principals: ["root"],
      validAfter: start,
      validBefore: end,
      kind: "user",
    }),
    tlsCertificate: certificate,
    sshCas: [certAuthorityLine(cluster, sshCa.publicKey)],
    tlsCas: hostCas.map((ca) => ca.certificate),
  };
}

function pem(label: string, body: string): string {
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-identity-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}
