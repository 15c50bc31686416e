import type { Withheld } from "../gate/step.ts";

/** Definitions of which an agent remembers that they were told. */
const LIMIT = 10_000;

/** Withheld definitions are told once, and not with each list that leaves them out. */
export class ToldDefinitions {
  readonly #told = new Set<string>();

  /** Whether this one was not told yet; it counts as told then. */
  take(app: string, { tool, sha256 }: Withheld): boolean {
    const key = `${app}/${sha256}/${tool}`;
    if (this.#told.has(key)) return false;
    // Rather told twice than never.
    if (this.#told.size >= LIMIT) this.#told.clear();
    this.#told.add(key);
    return true;
  }
}
