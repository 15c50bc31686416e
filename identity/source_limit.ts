/** Connections counted by where they come from, so that one stranger cannot take every place. */
import { isIPv6 } from "node:net";

export interface SourceLimits {
  /** At a time, from everywhere. */
  readonly total: number;
  /** At a time, from one source ({@link sourceOf}). */
  readonly perSource: number;
}

/** Places for connections, some of them for each source. */
export class SourceLimit {
  readonly #limits: SourceLimits;
  readonly #taken = new Map<string, number>();
  #total = 0;

  constructor(limits: SourceLimits) {
    this.#limits = limits;
  }

  /** Takes a place for an address; what is returned gives it back, once. `undefined`: none is left. */
  take(remote: string | undefined): (() => void) | undefined {
    const source = sourceOf(remote ?? "unknown");
    const count = this.#taken.get(source) ?? 0;
    if (this.#total >= this.#limits.total || count >= this.#limits.perSource) return undefined;
    this.#taken.set(source, count + 1);
    this.#total++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#total--;
      const left = this.#taken.get(source)! - 1;
      if (left > 0) this.#taken.set(source, left);
      else this.#taken.delete(source);
    };
  }
}

/** An address, or the /64 that one machine may have of IPv6 (RFC 6177). */
export function sourceOf(remote: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remote)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(remote)) return remote;
  const [head = "", tail] = remote.split("%")[0]!.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill("0"), ...after];
  return groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}
