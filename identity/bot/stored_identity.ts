/**
 * The bot's own credentials in its storage. `identity` is the atomic unit; `key.next` is the key of
 * a request whose answer has not been stored yet; `tokenhash` tells which token was joined with.
 */
import { createHash } from "node:crypto";
import type { IssuedCertificates } from "../authority/api.ts";
import type { Destination } from "../destination/destination.ts";
import { IdentityError } from "../error.ts";
import { formatIdentityFile, parseIdentityFile } from "../identity_file.ts";
import type { IdentityFile } from "../identity_file.ts";
import { generateKeyPair, publicKeyOf } from "../keys.ts";
import type { KeyPair } from "../keys.ts";
import type { Log } from "../log.ts";
import { certAuthorityLine } from "../ssh/known_hosts.ts";

const IDENTITY = "identity";
const NEXT_KEY = "key.next";
const TOKEN_HASH = "tokenhash";

/** The stored identity; one that cannot be read is reported and counts as none. */
export async function loadIdentity(
  storage: Destination,
  log: Log,
): Promise<IdentityFile | undefined> {
  const text = await storage.read(IDENTITY);
  if (text === undefined) return undefined;
  try {
    return parseIdentityFile(text, `${storage.name}/${IDENTITY}`);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    log.warn("the stored identity cannot be used", { found: error.message });
    return undefined;
  }
}

/**
 * The key for the next request, stored before it is sent. A request that is sent again, after a
 * lost reply or a crash, bears the same key, and so the authority answers it again.
 */
export async function nextKey(storage: Destination): Promise<KeyPair> {
  const pending = await storage.read(NEXT_KEY);
  if (pending !== undefined) {
    try {
      return { privateKey: pending, publicKey: publicKeyOf(pending) };
    } catch {
      // Not a key of ours: nothing can have been issued for it.
    }
  }
  const pair = generateKeyPair();
  await storage.write(NEXT_KEY, pair.privateKey);
  return pair;
}

export interface SaveOptions {
  /** The token that it was won with. */
  readonly token?: string;
  /** What came with it. */
  readonly files?: readonly (readonly [name: string, content: string])[];
  /** What has served. */
  readonly spent?: readonly string[];
}

/** Stores what was issued. `key.next` goes last: until then a crash leads to the same request. */
export async function saveIdentity(
  storage: Destination,
  identity: IdentityFile,
  { files = [], spent = [], token }: SaveOptions = {},
): Promise<void> {
  await storage.write(IDENTITY, formatIdentityFile(identity));
  if (token !== undefined) await storage.write(TOKEN_HASH, `${tokenHash(token)}\n`);
  for (const [name, content] of files) await storage.write(name, content);
  for (const name of spent) await storage.remove(name);
  await storage.remove(NEXT_KEY);
}

/** Whether the stored identity was won with this token. */
export async function joinedWith(storage: Destination, token: string): Promise<boolean> {
  return (await storage.read(TOKEN_HASH))?.trim() === tokenHash(token);
}

function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/**
 * Key and answer as an identity file. Throws `API_PROTOCOL` when they do not belong together, so
 * that nothing of the kind replaces an identity that works.
 */
export function assembleIdentity(privateKey: string, issued: IssuedCertificates): IdentityFile {
  const { cluster, hostCas, sshHostCas } = issued.trust;
  const text = formatIdentityFile({
    key: privateKey,
    sshCertificate: issued.ssh,
    tlsCertificate: issued.tls,
    sshCas: sshHostCas.map((ca) => certAuthorityLine(cluster, ca)),
    tlsCas: hostCas,
  });
  try {
    return parseIdentityFile(text, "of the authority's answer");
  } catch (cause) {
    throw new IdentityError("API_PROTOCOL", "Cannot use the certificates that were issued", {
      hint: "Check that tbot and the authority are of compatible versions",
      cause,
    });
  }
}
