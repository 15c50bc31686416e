/** Which route tickets were used here: each opens one session, and is remembered while it could. */
export class UsedTickets {
  readonly #until = new Map<string, number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Uses a ticket up. False if it was used before, or if so many are remembered that this could
   * no longer be told: then nobody gets in rather than somebody twice.
   */
  use(ticket: string, until: Date, now: Date): boolean {
    if (this.#until.has(ticket)) return false;
    if (this.#until.size >= this.#limit) this.#forgetExpired(now);
    if (this.#until.size >= this.#limit) return false;
    this.#until.set(ticket, until.getTime());
    return true;
  }

  #forgetExpired(now: Date): void {
    for (const [ticket, until] of this.#until) {
      if (until <= now.getTime()) this.#until.delete(ticket);
    }
  }
}
