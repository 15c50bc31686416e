// What the grant of a session takes: a new key, a cold connection to the authority, its answer.
// In a compiled program of its own, as a bridge is one.
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { connectAuthority, generateKeyPair, readIdentityFile } from "../../identity/mod.ts";
import { outputOf } from "./_processes.ts";
import { compile } from "./_start_up.ts";

const LIMIT_MS = 30_000;

/** Milliseconds of one grant for an app, in each round. */
export async function measureGrants(
  directory: string,
  { identity, proxy, app }: {
    readonly identity: string;
    readonly proxy: string;
    readonly app: string;
  },
  rounds: number,
): Promise<number[]> {
  const program = join(directory, "grant");
  compile(fileURLToPath(import.meta.url), program);
  const command = [program, identity, proxy, app];
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    times.push(Number(await outputOf(command, { cwd: directory, limitMs: LIMIT_MS })));
  }
  return times;
}

if (import.meta.main) {
  const [path = "", proxy = "", app = ""] = process.argv.slice(2);
  const { key, tlsCas, tlsCertificate } = await readIdentityFile(path);
  const begin = performance.now();
  const authority = connectAuthority({
    proxy,
    trust: { kind: "cas", hostCas: tlsCas },
    credentials: { certificate: tlsCertificate, key },
  });
  await authority.openSession({ app, publicKey: generateKeyPair().publicKey });
  process.stdout.write(`${performance.now() - begin}\n`, () => process.exit(0));
}
