import { Buffer } from "node:buffer";
import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { Option } from "@commander-js/extra-typings";
import { IdentityError } from "../../identity/mod.ts";
import type { KeyPair } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import type { TbotRoot } from "./_tbot_options.ts";

interface Made {
  readonly key: KeyPair;
  readonly authorizedKey: string;
  /** Lines for people, beside the public key. */
  readonly notes: readonly string[];
}

/** `tbot keypair create`: the key of `join_method: bound_keypair`, before the first join. */
export function addKeypair(root: TbotRoot, host: TbotHost): void {
  root.command("keypair").description("Keys to join with by bound_keypair")
    .command("create")
    .description("Make a key, or print the one that the storage has, to register with a join token")
    .option("--proxy-server <host:port>", "taken as the original does; nothing is asked there")
    .option("--storage <uri>", "where tbot keeps its own identity")
    .option("--overwrite", "make a new key, also where there is one")
    .option("--static", "print the private key too, for tbot on machines that keep nothing")
    .option("--static-key-path <path>", "write a static key to a file in place of printing it")
    .addOption(
      new Option("--format <format>", "text for people, or json for programs")
        .choices(["text", "json"] as const).default("text" as const),
    )
    .action(async ({ format, overwrite = false, static: isStatic, staticKeyPath, storage }) => {
      const { authorizedKey, key, notes } = isStatic || staticKeyPath !== undefined
        ? await makeStatic(staticKeyPath, overwrite)
        : await makeStored(host, storage, overwrite);
      if (format === "text") {
        host.stdout.write([...registration(authorizedKey), ...notes, ""].join("\n"));
        return;
      }
      const secret = isStatic && staticKeyPath === undefined ? { private_key: encoded(key) } : {};
      const value = { public_key: authorizedKey, ...secret };
      host.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
    });
}

async function makeStored(
  host: TbotHost,
  uri: string | undefined,
  overwrite: boolean,
): Promise<Made> {
  const { DEFAULT_STORAGE, keptBoundKey, lockStorage } = await import("../../identity/bot/mod.ts");
  const { openDestination, parseDestinationUri } = await import(
    "../../identity/destination/mod.ts"
  );
  const spec = parseDestinationUri(uri ?? DEFAULT_STORAGE);
  if (spec.type === "memory") {
    throw new IdentityError("CONFIG_INVALID", "Cannot keep a key in the memory", {
      hint: "Name a directory with --storage, or make a static key with --static",
    });
  }
  const log = host.openLog({ debug: false });
  const storage = openDestination(spec, log);
  await storage.prepare();
  // A tbot that runs would go on with the key of before, and write over this one.
  const lock = await lockStorage(resolve(spec.path));
  const { key, made, replaced } = await keptBoundKey(storage, { overwrite })
    .finally(() => lock.release());
  if (replaced) log.warn("the key that was there is overwritten", { storage: storage.name });
  if (!made) {
    log.warn("there is a key already, which is kept; --overwrite makes another", {
      storage: storage.name,
    });
  }
  return { key, authorizedKey: await authorized(key), notes: [] };
}

async function makeStatic(path: string | undefined, overwrite: boolean): Promise<Made> {
  const { createBoundKey } = await import("../../identity/join/mod.ts");
  const key = createBoundKey();
  if (path !== undefined) await writeKey(path, key, overwrite);
  const place = path === undefined
    ? [
      "Give tbot the key in its environment, from a store of secrets:",
      "",
      `\texport TBOT_BOUND_KEYPAIR_STATIC_KEY="${encoded(key)}"`,
    ]
    : [
      `The key is in ${path}. Name it in tbot's configuration:`,
      "",
      "\tonboarding:",
      "\t  bound_keypair:",
      `\t    static_private_key_path: ${path}`,
    ];
  const notes = [
    "",
    ...place,
    "",
    "Where tbot keeps nothing between its runs, the token needs `recovery: {mode: insecure}`.",
    "A static key cannot be rotated by `rotate_after`: tbot could not join any more.",
  ];
  return { key, authorizedKey: await authorized(key), notes };
}

async function writeKey(path: string, { privateKey }: KeyPair, overwrite: boolean): Promise<void> {
  try {
    // A new file each time: the one that is there may be open to others, or be a link.
    if (overwrite) await rm(path, { force: true });
    const handle = await open(path, "wx", 0o600);
    try {
      await handle.writeFile(privateKey);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("DESTINATION_UNWRITABLE", `Cannot write the key to ${path}: ${code}`, {
      hint: code === "EEXIST" ? "Choose another path, or give --overwrite" : "Choose another path",
      cause,
    });
  }
}

async function authorized({ publicKey }: KeyPair): Promise<string> {
  const { toAuthorizedKey } = await import("../../identity/ssh/mod.ts");
  return toAuthorizedKey(publicKey);
}

function encoded({ privateKey }: KeyPair): string {
  return Buffer.from(privateKey).toString("base64");
}

function registration(authorizedKey: string): string[] {
  return [
    "Register the key with the cluster, in the join token's",
    "spec.bound_keypair.onboarding.initial_public_key:",
    "",
    `\t${authorizedKey}`,
  ];
}
