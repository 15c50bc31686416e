/**
 * The identity file, in the guide's layout: private key, SSH certificate, TLS certificate, SSH
 * CAs, TLS CAs, one after the other. PEM blocks count by position, the SSH parts by how their
 * lines begin. Only `node:crypto` is needed to read one, since the bridge does so at every start.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { IdentityError } from "./error.ts";

export interface IdentityFile {
  /** PKCS#8 PEM; both certificates are for this key. */
  readonly key: string;
  /** `<type>-cert-v01@openssh.com <base64>`. */
  readonly sshCertificate: string;
  /** PEM. */
  readonly tlsCertificate: string;
  /** `@cert-authority …` lines. */
  readonly sshCas: readonly string[];
  /** PEM. */
  readonly tlsCas: readonly string[];
}

/** Far beyond any identity; keeps a wrong path, say of a disk image, from filling memory. */
const MAX_FILE_BYTES = 1024 * 1024;

/** The text of an identity file; every part ends in a newline. */
export function formatIdentityFile(file: IdentityFile): string {
  return [file.key, file.sshCertificate, file.tlsCertificate, ...file.sshCas, ...file.tlsCas]
    .map((part) => `${part.trimEnd()}\n`).join("");
}

/**
 * Parses the text of an identity file; `path` is for messages only. `certificate` is the text
 * of `<path>-cert.pub`, where one was looked for. Throws `IDENTITY_FILE_INVALID`.
 */
export function parseIdentityFile(text: string, path: string, certificate?: string): IdentityFile {
  const blocks = pemBlocks(text, path);
  const lines = text.split(/\r?\n/);
  const [key, tlsCertificate, ...tlsCas] = blocks;
  const sshCertificate = sshCertificateIn(text) ?? sshCertificateIn(certificate ?? "");
  if (key === undefined) throw invalid(path, "it holds no private key");
  if (!key.label.endsWith("PRIVATE KEY")) {
    throw invalid(path, `it begins with a block of the type ${key.label}, not with a private key`);
  }
  if (tlsCertificate === undefined) throw invalid(path, "it ends before the TLS certificate");
  if (sshCertificate === undefined) {
    const beside = certificate === undefined ? "" : `, and there is none in ${path}-cert.pub`;
    throw invalid(path, `it holds no SSH certificate${beside}`);
  }
  if (tlsCas.length === 0) throw invalid(path, "it ends before the certificates of the CAs");
  for (const [index, { label }] of [tlsCertificate, ...tlsCas].entries()) {
    if (label !== "CERTIFICATE") {
      throw invalid(path, `block ${index + 2} is of the type ${label}, not a certificate`);
    }
  }
  const file: IdentityFile = {
    key: key.pem,
    sshCertificate: sshCertificate.trimEnd(),
    tlsCertificate: tlsCertificate.pem,
    sshCas: lines.filter((line) => line.startsWith("@cert-authority ")).map((l) => l.trimEnd()),
    tlsCas: tlsCas.map((block) => block.pem),
  };
  checkKeys(file, path);
  return file;
}

/**
 * Reads an identity file; without an SSH certificate in it, `<path>-cert.pub` is asked, where
 * OpenSSH keeps it. Throws `IDENTITY_FILE_MISSING` or `IDENTITY_FILE_INVALID`.
 */
export async function readIdentityFile(path: string): Promise<IdentityFile> {
  const text = await readText(path);
  if (sshCertificateIn(text) !== undefined) return parseIdentityFile(text, path);
  return parseIdentityFile(text, path, await readIfThere(`${path}-cert.pub`));
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code === "ENOENT") return "";
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) {
      throw invalid(path, "it is a directory", `Name the file in it: ${path}/identity`);
    }
    if (info.size > MAX_FILE_BYTES) throw invalid(path, `it has ${info.size} bytes`);
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new IdentityError(
      "IDENTITY_FILE_MISSING",
      code === "ENOENT"
        ? `Cannot read the identity file ${path}: there is none`
        : `Cannot read the identity file ${path}: ${code ?? "unknown error"}`,
      {
        hint: code === "EACCES"
          ? "Run as the user that tbot writes for, or name that user in the output's readers"
          : "Check the path and that tbot has started with an identity output there",
        cause,
      },
    );
  }
}

const SSH_CERTIFICATE = /^[a-z0-9-]+-cert-v01@openssh\.com [A-Za-z0-9+/=]+(\s|$)/;
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----(?:\r?\n|$)/g;

function sshCertificateIn(text: string): string | undefined {
  return text.split(/\r?\n/).find((line) => SSH_CERTIFICATE.test(line));
}

function pemBlocks(text: string, path: string): { label: string; pem: string }[] {
  const blocks = [...text.matchAll(BLOCK)].map(([block, label]) => ({
    label: label ?? "",
    pem: `${block.replaceAll("\r", "").trimEnd()}\n`,
  }));
  // No other line begins with a dash: what is left after the whole blocks is a part of one.
  const cut = /^-/m.test(text.replace(BLOCK, ""));
  if (cut) throw invalid(path, `invalid PEM block (fragment) after ${blocks.length} whole ones`);
  return blocks;
}

function checkKeys(file: IdentityFile, path: string): void {
  let matches: boolean;
  try {
    matches = new X509Certificate(file.tlsCertificate).checkPrivateKey(createPrivateKey(file.key));
    for (const ca of file.tlsCas) new X509Certificate(ca);
  } catch (cause) {
    throw invalid(path, "a key or certificate in it cannot be read", undefined, cause);
  }
  if (!matches) throw invalid(path, "its key and its TLS certificate do not belong together");
}

function invalid(
  path: string,
  found: string,
  hint = "Let tbot write it anew; a copy made by hand may be incomplete",
  cause?: unknown,
): IdentityError {
  return new IdentityError(
    "IDENTITY_FILE_INVALID",
    `Cannot use the identity file ${path}: ${found}`,
    { hint, cause },
  );
}
