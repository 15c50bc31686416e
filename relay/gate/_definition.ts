import { createHash, type Hash } from "node:crypto";
import type { JsonView } from "../wire/json.ts";
import { type NameLimits, NameRoom } from "./_name_room.ts";

/** The definitions of tools as the server last listed them to this session, as hashes. */
export class Definitions {
  readonly #hashes = new Map<string, string>();
  readonly #room: NameRoom;

  constructor(limits: NameLimits) {
    this.#room = new NameRoom(limits);
  }

  /** Past the limit a definition stays unknown, and a rule that pins one does not allow it. */
  note(name: string, entry: JsonView): void {
    if (!this.#hashes.has(name) && !this.#room.take(name)) return;
    this.#hashes.set(name, definitionHash(entry));
  }

  get(name: string): string | undefined {
    return this.#hashes.get(name);
  }
}

/**
 * The SHA-256 of a tool's definition, 64 hex digits: its entry in `tools/list` as compact JSON
 * with the keys of every object in the order of their code points (what `jq -cS` prints), numbers
 * as the server writes them. A rule may pin a tool to one definition by it.
 */
export function definitionHash(entry: JsonView): string {
  const hash = createHash("sha256");
  write(entry, hash);
  return hash.digest("hex");
}

function write(value: JsonView, hash: Hash): void {
  if (value.type === "object") {
    const members = value.members().map(([key, member]) => ({ key: keyBytes(key), member }));
    members.sort((one, two) => compare(one.key, two.key));
    members.forEach(({ key, member }, index) => {
      hash.update(index === 0 ? "{" : ",").update(key).update(":");
      write(member, hash);
    });
    hash.update(members.length === 0 ? "{}" : "}");
  } else if (value.type === "array") {
    const elements = value.elements();
    elements.forEach((element, index) => {
      hash.update(index === 0 ? "[" : ",");
      write(element, hash);
    });
    hash.update(elements.length === 0 ? "[]" : "]");
  } else {
    hash.update(value.slice());
  }
}

/** UTF-8 sorts by code point. */
function compare(one: Uint8Array, two: Uint8Array): number {
  const length = Math.min(one.length, two.length);
  for (let i = 0; i < length; i++) if (one[i] !== two[i]) return one[i]! - two[i]!;
  return one.length - two.length;
}

function keyBytes(key: string): Uint8Array {
  return utf8.encode(JSON.stringify(key));
}

const utf8 = new TextEncoder();
