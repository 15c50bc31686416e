import type { IssuedCertificates } from "../authority/api.ts";
import type { Destination } from "../destination/destination.ts";
import { IdentityError } from "../error.ts";
import { freshLife } from "../identity_check.ts";
import { formatIdentityFile } from "../identity_file.ts";
import type { IdentityFile } from "../identity_file.ts";
import { generateKeyPair, normalizePublicKey, publicKeyOf } from "../keys.ts";
import type { KeyPair } from "../keys.ts";
import { sshPublicKey } from "../ssh/keys.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { IdentityService, OutputService } from "./config.ts";
import { identityRequest } from "./identity_request.ts";
import { assembleIdentity } from "./stored_identity.ts";

/** Issues the certificates of one output and writes its files; returns the milliseconds they are good for. */
export async function renewOutput(
  service: OutputService,
  destination: Destination,
  { bot, now }: { readonly bot: BotIdentity; readonly now: () => Date },
): Promise<number> {
  // Before anything is issued that could then not be kept.
  await destination.prepare();
  const key = await keptKey(destination);
  const issued = await bot.call((client) =>
    client.issueIdentity(identityRequest(service, key.publicKey))
  );
  if (service.type === "identity") checkCluster(service, issued.trust.cluster);
  for (const [file, content] of outputFiles(service, key, issued)) {
    await destination.write(file, content);
  }
  return freshLife({ tlsCertificate: issued.tls }, now());
}

function checkCluster({ cluster: wanted }: IdentityService, cluster: string): void {
  if (wanted === undefined || wanted === cluster) return;
  throw new IdentityError(
    "CONFIG_INVALID",
    `Cannot write an identity for the cluster "${wanted}": this is "${cluster}"`,
    { hint: "Correct `cluster` of the service, or leave it out" },
  );
}

/**
 * The files of an output in the order of writing. `identity` is last: whoever waits for
 * it finds the others there. All are for one key, so that any mixture of old and new is valid.
 */
export function outputFiles(
  service: OutputService,
  key: KeyPair,
  issued: IssuedCertificates,
): [string, string][] {
  const identity = assembleIdentity(key.privateKey, issued);
  return [
    ["key", key.privateKey],
    ["key.pub", `${sshPublicKey(key.publicKey)}\n`],
    ["teleport-host-ca.crt", lines(issued.trust.hostCas)],
    ["teleport-user-ca.crt", lines(issued.trust.userCas)],
    ["known_hosts", lines(identity.sshCas)],
    ["key-cert.pub", lines([identity.sshCertificate])],
    ["tlscert", lines([identity.tlsCertificate])],
    ...specificFiles(service, identity),
    ["identity", formatIdentityFile(identity)],
  ];
}

/** Every file that an output may have; `.write-test` shows that there can be others. */
export const OUTPUT_FILES: ReadonlySet<string> = new Set([
  ".write-test",
  "identity",
  "key",
  "key-cert.pub",
  "key.pub",
  "known_hosts",
  "teleport-host-ca.crt",
  "teleport-user-ca.crt",
  "tls.cas",
  "tls.crt",
  "tls.key",
  "tlscert",
]);

/** The names that some programs insist on. */
function specificFiles(service: OutputService, identity: IdentityFile): [string, string][] {
  if (service.type !== "application" || !service.specificTlsNaming) return [];
  return [
    ["tls.key", identity.key],
    ["tls.cas", lines(identity.tlsCas)],
    ["tls.crt", lines([identity.tlsCertificate])],
  ];
}

function lines(parts: readonly string[]): string {
  return parts.map((part) => `${part.trimEnd()}\n`).join("");
}

/** The key that the output has had all along, or a new one when there is none that will do. */
async function keptKey(destination: Destination): Promise<KeyPair> {
  const privateKey = await destination.read("key");
  if (privateKey === undefined) return generateKeyPair();
  try {
    return { privateKey, publicKey: normalizePublicKey(publicKeyOf(privateKey)) };
  } catch {
    return generateKeyPair();
  }
}
