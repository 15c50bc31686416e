// Whether a figure that is measured again and again grows: least squares over the samples, with the
// doubt that their scatter leaves.

export interface Sample {
  /** Seconds since the first one. */
  readonly at: number;
  readonly value: number;
}

export interface Trend {
  /** By how much the line through the samples rises from the first to the last. */
  readonly rise: number;
  /** The standard error of that. */
  readonly error: number;
  readonly mean: number;
}

/**
 * The least sample of each of so many spans of time: memory that a collector has not come to yet is
 * no leak, and what it leaves behind is.
 */
export function floorsOf(samples: readonly Sample[], spans: number): Sample[] {
  const [begin, end] = [samples[0]!.at, samples.at(-1)!.at];
  const least: Sample[] = [];
  for (const sample of samples) {
    const span = Math.min(spans - 1, Math.floor((sample.at - begin) / (end - begin) * spans));
    if (!(least[span]! && least[span].value <= sample.value)) least[span] = sample;
  }
  return least.filter((sample) => sample !== undefined);
}

/** At least three samples, at different times. */
export function trendOf(samples: readonly Sample[]): Trend {
  const count = samples.length;
  const meanAt = samples.reduce((sum, { at }) => sum + at, 0) / count;
  const mean = samples.reduce((sum, { value }) => sum + value, 0) / count;
  const spread = samples.reduce((sum, { at }) => sum + (at - meanAt) ** 2, 0);
  const slope = samples.reduce((sum, { at, value }) => sum + (at - meanAt) * (value - mean), 0) /
    spread;
  const left = samples.reduce(
    (sum, { at, value }) => sum + (value - mean - slope * (at - meanAt)) ** 2,
    0,
  );
  const seconds = samples.at(-1)!.at - samples[0]!.at;
  return {
    rise: slope * seconds,
    error: Math.sqrt(left / (count - 2) / spread) * seconds,
    mean,
  };
}

/** It rises by more than is allowed, beyond what chance explains. */
export function grows({ rise, error }: Trend, allowed: number): boolean {
  return rise - 2 * error > allowed;
}
