import { Queue } from "../wire/queue.ts";

export interface Step {
  readonly ready: Promise<unknown> | undefined;
  readonly bytes: number;
  readonly act: () => void | Promise<void>;
}

/**
 * Messages of one direction on their way: each waits until it may go (its audit record is safe),
 * and none overtakes another. Waiting overlaps, acting does not.
 */
export class Lane {
  readonly #steps = new Queue<Step>();
  readonly #onError: (error: unknown) => void;
  #bytes = 0;
  #running = false;
  #stopped = false;

  /** `onError` hears of the first step that fails; the lane is stopped then. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** What waits here. */
  get bytes(): number {
    return this.#bytes;
  }

  push(step: Step): void {
    // The lane itself looks at the outcome, but perhaps not before the runtime does; and after its
    // stop nobody does, and a rejection that nobody hears ends the process.
    step.ready?.catch(() => {});
    if (this.#stopped) return;
    if (!this.#running && step.ready === undefined) {
      // Nothing to wait for and nobody in front: the usual case when records are not synced.
      const pending = this.#attempt(step.act);
      if (pending) void this.#run(pending);
      return;
    }
    this.#steps.push(step);
    this.#bytes += step.bytes;
    if (!this.#running) void this.#run();
  }

  /** Drops everything that waits; nothing acts any more. */
  stop(): void {
    this.#stopped = true;
    this.#steps.clear();
    this.#bytes = 0;
  }

  #attempt(act: Step["act"]): void | Promise<void> {
    try {
      return act();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #run(first?: Promise<void>): Promise<void> {
    this.#running = true;
    try {
      await first;
      for (let step = this.#steps.shift(); step; step = this.#steps.shift()) {
        if (step.ready) await step.ready;
        if (this.#stopped) return;
        const pending = step.act();
        if (pending) await pending;
        this.#bytes = Math.max(0, this.#bytes - step.bytes);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#running = false;
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#onError(error);
  }
}
