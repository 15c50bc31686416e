/**
 * Encryption at rest of what makes whoever reads it the cluster: its private keys. Stores keep such
 * values in an envelope that names the key it is sealed with, so that keys can be changed, and that
 * is bound to its place, so that two values cannot be swapped.
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { IdentityError } from "../error.ts";
import type { ItemKind } from "./store.ts";

/** The kinds of item that hold private keys, or secrets to register with. */
export const SEALED_KINDS: ReadonlySet<ItemKind> = new Set<ItemKind>(["bound_keypair", "ca"]);

/** Keys of 32 bytes: the one that seals, and those that what is there may be sealed with. */
export interface SealingKeys {
  readonly key: Uint8Array;
  readonly previous?: readonly Uint8Array[];
}

/** An item's place, `kind/name`. */
type Place = string;

/** No JSON begins like this. The version is that of the envelope. */
const ENVELOPE = /^sealed:v([0-9]+):([0-9a-f]{16}):([A-Za-z0-9_-]+)$/;
const VERSION = 1;
const KEY_BYTES = 32;
const SALT_BYTES = 32;
const TAG_BYTES = 16;

const HINT = "Set auth_service.key_encryption in the configuration; after a change of keys the " +
  "one from before belongs under previous_keys";

/** A key as files, variables and commands hold it: 32 bytes, in base64 or as 64 hex digits. */
export function parseSealingKey(text: string): Uint8Array {
  const written = text.trim();
  const bytes = /^[0-9a-fA-F]{64}$/.test(written)
    ? Buffer.from(written, "hex")
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(written)
    ? Buffer.from(written, "base64")
    : undefined;
  if (bytes?.length === KEY_BYTES) return bytes;
  throw new IdentityError(
    "STORE_SEALED",
    "The key of auth_service.key_encryption is not 32 bytes in base64, or 64 hex digits",
    { hint: "Make one: openssl rand -base64 32" },
  );
}

/** Whether a stored text is an envelope. */
export function isSealed(text: string): boolean {
  return text.startsWith("sealed:");
}

export class Sealer {
  readonly #keys = new Map<string, Uint8Array>();
  readonly #current: string | undefined;

  /** Without keys it opens nothing, and says so. */
  constructor(keys: SealingKeys | undefined) {
    for (const key of keys ? [...keys.previous ?? [], keys.key] : []) {
      if (key.length !== KEY_BYTES) throw new TypeError("a sealing key has 32 bytes");
      this.#keys.set(keyId(key), key);
    }
    this.#current = keys && keyId(keys.key);
  }

  /** What is stored for a text: the text itself, when there is no key. */
  seal(place: Place, text: string): string {
    const id = this.#current;
    if (id === undefined) return text;
    // A key of its own for each envelope: no nonce can ever be used twice with one.
    const salt = randomBytes(SALT_BYTES);
    const { key, nonce } = derive(this.#keys.get(id)!, salt);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const head = `sealed:v${VERSION}:${id}`;
    cipher.setAAD(Buffer.from(`${head}:${place}`));
    const bytes = Buffer.concat([salt, cipher.update(text, "utf8"), cipher.final()]);
    return `${head}:${Buffer.concat([bytes, cipher.getAuthTag()]).toString("base64url")}`;
  }

  /** The text of what is stored; throws `STORE_SEALED` if it has not the key. */
  open(place: Place, stored: string): string {
    // INVARIANT (closed): once there is a key, nothing is believed that was not sealed with it.
    if (!isSealed(stored)) {
      if (this.#current === undefined) return stored;
      throw damaged(place);
    }
    const [, version, id = "", encoded = ""] = ENVELOPE.exec(stored) ?? [];
    if (version !== undefined && Number(version) > VERSION) {
      throw new IdentityError(
        "STORE_SEALED",
        `Cannot open ${place}: its envelope is of v${version}`,
        {
          hint: "Install the version of Postern that wrote it, or a newer one",
        },
      );
    }
    if (Number(version) !== VERSION) throw damaged(place);
    const master = this.#keys.get(id);
    if (master === undefined) throw this.#locked(id);
    const bytes = Buffer.from(encoded, "base64url");
    if (bytes.length < SALT_BYTES + TAG_BYTES) throw damaged(place);
    const { key, nonce } = derive(master, bytes.subarray(0, SALT_BYTES));
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(`sealed:v${version}:${id}:${place}`));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const text = decipher.update(bytes.subarray(SALT_BYTES, -TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString("utf8");
    } catch (cause) {
      throw damaged(place, cause);
    }
  }

  /** Whether what is stored is as it would be stored now. */
  isCurrent(stored: string): boolean {
    if (this.#current === undefined) return !isSealed(stored);
    return stored.startsWith(`sealed:v${VERSION}:${this.#current}:`);
  }

  #locked(id: string): IdentityError {
    const found = this.#current === undefined
      ? "no key is configured"
      : `the configured key is ${this.#current}`;
    return new IdentityError(
      "STORE_SEALED",
      `The cluster's private keys are encrypted with the key ${id}, and ${found}`,
      { hint: HINT },
    );
  }
}

/** Names a key without telling anything about it. */
function keyId(key: Uint8Array): string {
  return createHash("sha256").update("postern sealing key\0").update(key).digest("hex").slice(
    0,
    16,
  );
}

function derive(master: Uint8Array, salt: Uint8Array): { key: Buffer; nonce: Buffer } {
  const bytes = Buffer.from(hkdfSync("sha256", master, salt, "postern sealed v1", KEY_BYTES + 12));
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
}

function damaged(place: Place, cause?: unknown): IdentityError {
  return new IdentityError(
    "STORE_INVALID",
    `Cannot open ${place} of the store: it is damaged, or was put there by something else`,
    { hint: "Restore the database from a backup", cause },
  );
}
