/**
 * Notices that the cluster's CAs change, and has everything renewed: whoever follows a rotation by
 * hand need not wait for the next regular renewals, which would follow it as well.
 */
import type { TrustBundle } from "../authority/api.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { Reload } from "./reload.ts";

export interface CaRotationOptions {
  readonly bot: Pick<BotIdentity, "tell">;
  readonly reload: Pick<Reload, "request">;
  /** Milliseconds between two renewals. */
  readonly renewalInterval: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly random: () => number;
}

/** A fleet of ten thousand asks some forty times a second then. */
const MAX_INTERVAL_MS = 5 * 60_000;

/** Asks for the trust bundle now and then, until the signal is aborted. */
export async function watchCaRotation(options: CaRotationOptions): Promise<void> {
  const { bot, clock, log, random, reload, renewalInterval, signal } = options;
  const interval = Math.min(renewalInterval, MAX_INTERVAL_MS);
  let known: string | undefined;
  while (!signal.aborted) {
    try {
      // The order counts: what signs now is first.
      const found = fingerprint(await bot.tell((client) => client.trust()));
      if (known !== undefined && found !== known) {
        log.info("the CAs of the cluster have changed, renewing");
        reload.request();
      }
      known = found;
    } catch (error) {
      log.debug("cannot see whether a CA is being rotated", { found: String(error) });
    }
    // A random half falls away, so that a fleet does not renew in one wave.
    await clock.sleep(interval / 2 + random() * interval / 2, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function fingerprint({ hostCas, sshHostCas, sshUserCas, userCas }: TrustBundle): string {
  return JSON.stringify([hostCas, userCas, sshHostCas, sshUserCas]);
}
