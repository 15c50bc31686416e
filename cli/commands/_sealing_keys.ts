import { IdentityError } from "../../identity/mod.ts";
import type { Clock, ValueSource } from "../../identity/mod.ts";
import { parseSealingKey } from "../../identity/storage/mod.ts";
import type { SealingKeys } from "../../identity/storage/mod.ts";
import { Values } from "../../relay/agent/mod.ts";
import type { KeyEncryption } from "../config/key_encryption_section.ts";

/** Fetches the keys that a configuration names; they stay in memory alone. */
export async function readSealingKeys(
  section: KeyEncryption | undefined,
  clock: Clock,
): Promise<SealingKeys | undefined> {
  if (section === undefined) return undefined;
  const values = new Values(clock);
  const read = async (source: ValueSource) => {
    let text: string;
    try {
      text = await values.read(source);
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      throw new IdentityError("STORE_SEALED", `Cannot read a key of key_encryption: ${found}`, {
        hint: "See that its file, variable or command is there for the user of this program",
        cause,
      });
    }
    return parseSealingKey(text);
  };
  return { key: await read(section.key), previous: await Promise.all(section.previous.map(read)) };
}
