import type { Duplex } from "node:stream";

const FLUSH_MS = 10_000;

/** Carries bytes both ways, as fast as the slower end takes them, until either end is gone. */
export function joinStreams(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    let left = 2;
    for (const [from, to] of [[one, other], [other, one]] as const) {
      from.on("error", () => {});
      from.once("close", () => {
        // What has been read is still written, to a peer that takes it in a while.
        if (!to.destroyed) {
          const timer = setTimeout(() => to.destroy(), FLUSH_MS);
          to.once("close", () => clearTimeout(timer));
          to.end(() => to.destroy());
        }
        if (--left === 0) resolve();
      });
      from.pipe(to);
    }
  });
}
