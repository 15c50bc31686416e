/** Figures of several rounds, by subject: those of one place were taken in the same round. */
export type Samples = Readonly<Record<string, readonly number[]>>;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? NaN) + (high ?? NaN)) / 2;
}

/** The value that a share of all do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

/** How many times as much as another: the median over rounds, since rounds differ in weather. */
export function ratioOf(samples: Samples, one: string, other: string): number {
  return median(pairs(samples, one, other).map(([a, b]) => a / b));
}

/** How much more than another, likewise. */
export function differenceOf(samples: Samples, one: string, other: string): number {
  return median(pairs(samples, one, other).map(([a, b]) => a - b));
}

function pairs(samples: Samples, one: string, other: string): [number, number][] {
  const others = samples[other] ?? [];
  return (samples[one] ?? []).flatMap((a, round) => {
    const b = others[round];
    return b === undefined ? [] : [[a, b]];
  });
}

/** Three digits, or all that stand before the point. */
export function shown(value: number): string {
  if (Number.isNaN(value)) return "-";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
