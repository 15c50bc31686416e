import type { GateLimits } from "./limits.ts";

export type NameLimits = Pick<GateLimits, "listedNames" | "listedNameChars">;

/** Room for names that a server has chosen: so many, and so long together. */
export class NameRoom {
  readonly #limits: NameLimits;
  #names = 0;
  #chars = 0;

  constructor(limits: NameLimits) {
    this.#limits = limits;
  }

  /** Takes room for one more; false, and nothing is taken, if there is none. */
  take(name: string): boolean {
    const { listedNameChars, listedNames } = this.#limits;
    if (this.#names >= listedNames || this.#chars + name.length > listedNameChars) return false;
    this.#names++;
    this.#chars += name.length;
    return true;
  }
}
