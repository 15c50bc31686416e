const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Milliseconds of a duration as Go writes it, such as `1h30m`, `20m` or `1.5h`; undefined when the
 * text is none. Negative ones are none: nothing here lasts less than no time.
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g)) {
    total += Number(amount) * (UNITS[unit ?? ""] ?? NaN);
  }
  return Number.isFinite(total) ? Math.round(total) : undefined;
}

/** A duration in Go's way, without the parts that are zero: `1h30m`, `20m`, `1.5s`. */
export function formatDuration(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms % 3_600_000 / 60_000);
  const seconds = ms % 60_000 / 1_000;
  const parts = [[hours, "h"], [minutes, "m"], [seconds, "s"]] as const;
  return parts.map(([n, unit]) => n > 0 ? `${n}${unit}` : "").join("") || "0s";
}
