/** Wakes the loops of a bot when it is asked to renew at once. */
export interface Reload {
  /** How many requests there have been; a loop compares it with what it has served. */
  readonly requests: number;
  /** Asks for a renewal; false when one is asked for already and not yet begun. */
  request(): boolean;
  /** Calls `listener` at each request; returns how to stop that. */
  subscribe(listener: () => void): () => void;
  /** Says that the renewal asked for has begun. */
  begun(): void;
}

/** Makes a switch that a signal handler or a test may press. */
export function createReload(): Reload {
  const listeners = new Set<() => void>();
  let requests = 0;
  let queued = false;
  return {
    get requests() {
      return requests;
    },
    request() {
      if (queued) return false;
      queued = true;
      requests++;
      for (const listener of [...listeners]) listener();
      return true;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    begun() {
      queued = false;
    },
  };
}
