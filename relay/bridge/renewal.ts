import type { Clock, Log } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { isTransient } from "./failure.ts";
import type { Opener } from "./opener.ts";
import type { Session } from "./session.ts";
import { RelayError } from "../error.ts";

/** The most of a certificate's end that is used to get the next one. */
const MARGIN_MS = 600_000;

/** Certificates end by the second, and agents have a clock of their own. */
const LEAST_GAIN_MS = 1_000;

export interface RenewalOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly opener: Opener;
}

/**
 * Gives a session a fresh certificate before its own ends, by resuming it over another connection
 * while the one that it has still works. There is one to be had as soon as the identity in the file
 * lasts longer, which is tbot's work.
 */
export class Renewal {
  readonly #options: RenewalOptions;
  #current = new AbortController();

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Watches over this session from now on; the next one takes its place. */
  watch(session: Session): void {
    this.stop();
    const left = this.#left(session);
    this.#after(left - Math.min(left / 3, MARGIN_MS), session);
  }

  stop(): void {
    this.#current.abort();
    this.#current = new AbortController();
  }

  #left({ notAfter }: Session): number {
    return notAfter.getTime() - this.#options.clock.now().getTime();
  }

  #after(milliseconds: number, session: Session): void {
    const { signal } = this.#current;
    after(this.#options.clock, milliseconds, signal, () => void this.#renew(session, signal));
  }

  async #renew(session: Session, signal: AbortSignal): Promise<void> {
    const { log, opener } = this.#options;
    try {
      const gain = (await opener.expiry()).getTime() - session.notAfter.getTime();
      if (gain >= LEAST_GAIN_MS) {
        if (signal.aborted) return;
        await opener.resume(session);
        log.debug("Renewed the session's certificate");
        return this.watch(session);
      }
      log.debug("The identity does not last longer than the session's certificate yet");
    } catch (error) {
      log.debug("The session's certificate was not renewed", { error: String(error) });
      if (signal.aborted) return;
      if (!session.connected) {
        const reason = error instanceof RelayError && isTransient(error)
          ? error
          : new RelayError("UNREACHABLE", "The session's certificate could not be renewed", {
            cause: error,
          });
        return session.lose(reason);
      }
    }
    // It ends in any case; until then every tenth of what is left is worth a look.
    if (!signal.aborted) this.#after(Math.max(this.#left(session) / 10, LEAST_GAIN_MS), session);
  }
}
