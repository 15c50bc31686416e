// What is promised about speed, and whether a run keeps it.
import { DIRECT, OURS } from "./_path.ts";
import { EMPTY } from "./_start_up.ts";
import { differenceOf, median, ratioOf, type Samples } from "./_stats.ts";

/** Figures of a run: by what is measured, by subject, by round. */
export type Figures = Readonly<Record<string, Samples>>;

interface Target {
  readonly title: string;
  readonly unit: "×" | "%" | "ms" | "MB";
  /** The bar: a value is to stay below or to come above it. */
  readonly most?: number;
  readonly least?: number;
  readonly of: (figures: Figures) => number;
}

export interface Judged {
  readonly title: string;
  readonly unit: string;
  readonly bar: string;
  /** Not known where a subject was not run. */
  readonly value: number | null;
  readonly verdict: "met" | "MISSED" | "not run";
}

export const SOCAT = "socat mTLS";
/** Gateways that others use, as `_peers.ts` calls them. */
export const NODE_PEERS = ["supergateway", "mcp-remote + mcp-proxy"] as const;
export const BUN_PEER = "the pair on Bun";

const TARGETS: readonly Target[] = [
  { title: "p50 of a call, against socat mTLS", unit: "×", most: 1.5, of: ours("p50@1", SOCAT) },
  {
    title: "calls/s at 128 in flight, of direct",
    unit: "%",
    least: 45,
    of: (figures) => ours("rate@128", DIRECT)(figures) * 100,
  },
  { title: "10 MB and back, against direct", unit: "×", most: 4, of: ours("10MB", DIRECT) },
  {
    title: "first answer, added to direct",
    unit: "ms",
    most: 60,
    of: ({ first = {} }) => differenceOf(first, OURS, DIRECT),
  },
  {
    title: "the same without the grant of the session",
    unit: "ms",
    most: 40,
    of: ({ first = {}, grant = {} }) =>
      differenceOf(first, OURS, DIRECT) - median(grant[OURS] ?? []),
  },
  {
    title: "memory of the bridge",
    unit: "MB",
    most: 60,
    of: ({ rss }) => median(rss?.[OURS] ?? []),
  },
  {
    title: "start of the bridge, against an empty program",
    unit: "×",
    most: 2.5,
    of: ({ start = {} }) => ratioOf(start, "tsh", EMPTY),
  },
  ...NODE_PEERS.flatMap((peer): Target[] => [
    { title: `p50 of ${peer}, against ours`, unit: "×", least: 10, of: theirs("p50@1", peer) },
    {
      title: `our calls/s at 128, against ${peer}`,
      unit: "×",
      least: 40,
      of: ours("rate@128", peer),
    },
  ]),
  { title: `p50 of ${BUN_PEER}, against ours`, unit: "×", least: 6, of: theirs("p50@1", BUN_PEER) },
  {
    title: `our calls/s at 128, against ${BUN_PEER}`,
    unit: "×",
    least: 20,
    of: ours("rate@128", BUN_PEER),
  },
];

function ours(id: string, other: string): (figures: Figures) => number {
  return (figures) => ratioOf(figures[id] ?? {}, OURS, other);
}

function theirs(id: string, other: string): (figures: Figures) => number {
  return (figures) => ratioOf(figures[id] ?? {}, other, OURS);
}

export function judge(figures: Figures): Judged[] {
  return TARGETS.map(({ title, unit, most, least, of }) => {
    const value = of(figures);
    const bar = most === undefined ? `at least ${least}` : `at most ${most}`;
    if (Number.isNaN(value)) return { title, unit, bar, value: null, verdict: "not run" };
    const met = value <= (most ?? Infinity) && value >= (least ?? -Infinity);
    return { title, unit, bar, value, verdict: met ? "met" : "MISSED" };
  });
}
