// The whole path beside other ways to the same server, in interleaved rounds.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { IN_FLIGHT, type PathMeasured } from "./_path_measure.ts";
import { outputOf } from "./_processes.ts";
import type { Subject } from "./_subjects.ts";

/** Figures of the path, by what is measured; each by subject and round. */
export type PathFigures = Readonly<Record<string, Record<string, number[]>>>;

export const OURS = "postern";
export const DIRECT = "direct";
/** A benchmark without these says nothing. */
const MUST_RUN: ReadonlySet<string> = new Set([OURS, DIRECT]);

/** What is measured, how it is called, and in which unit. */
export const MEASURES: readonly {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly of: (measured: PathMeasured) => number;
}[] = [
  { id: "first", title: "first answer", unit: "ms", of: ({ firstMs }) => firstMs },
  ...IN_FLIGHT.flatMap((many) => [
    { id: `p50@${many}`, title: `1 kB, ${many} in flight, p50`, unit: "ms", of: p50(many) },
    { id: `p99@${many}`, title: `1 kB, ${many} in flight, p99`, unit: "ms", of: p99(many) },
    { id: `rate@${many}`, title: `1 kB, ${many} in flight`, unit: "/s", of: rate(many) },
  ]),
  { id: "100kB", title: "100 kB and back", unit: "ms", of: ({ hundredKbMs }) => hundredKbMs },
  { id: "10MB", title: "10 MB and back", unit: "ms", of: ({ tenMbMs }) => tenMbMs ?? NaN },
  { id: "list", title: "list of 1,000 tools", unit: "ms", of: ({ listMs }) => listMs },
  { id: "rss", title: "memory of what the client starts", unit: "MB", of: ({ rssMb }) => rssMb },
  { id: "peak", title: "the most, 10 MB included", unit: "MB", of: ({ peakMb }) => peakMb },
];

function p50(many: number) {
  return ({ calls }: PathMeasured): number => calls[many]!.p50;
}
function p99(many: number) {
  return ({ calls }: PathMeasured): number => calls[many]!.p99;
}
function rate(many: number) {
  return ({ calls }: PathMeasured): number => calls[many]!.perSecond;
}

export interface PathOptions {
  readonly rounds: number;
  readonly quick: boolean;
  readonly directory: string;
  /** Told of a subject that fails; it takes no part in later rounds. */
  readonly failed: (subject: string, why: string) => void;
}

/** Measures each subject once a round. The first subject says what the right answers are. */
export async function measurePaths(
  subjects: readonly Subject[],
  { rounds, quick, directory, failed }: PathOptions,
): Promise<PathFigures> {
  const figures: Record<string, Record<string, number[]>> = {};
  const out = new Set<string>();
  let expected: string | undefined;
  for (let round = 0; round < rounds; round++) {
    // Each goes first in its turn, so that none always follows the same neighbour.
    const order = subjects.map((_, at) => subjects[(at + round) % subjects.length]!);
    for (const subject of round === 0 ? subjects : order) {
      if (out.has(subject.name)) continue;
      try {
        const measured = await measure(subject, quick, directory);
        expected ??= measured.answers;
        if (measured.answers !== expected) throw new Error("it answers something else");
        if (measured.tenMbMs === null && MUST_RUN.has(subject.name)) {
          throw new Error("it refuses 10 MB");
        }
        for (const { id, of } of MEASURES) {
          const row = figures[id] ??= {};
          (row[subject.name] ??= []).push(of(measured));
        }
      } catch (error) {
        if (MUST_RUN.has(subject.name)) throw error;
        out.add(subject.name);
        for (const row of Object.values(figures)) delete row[subject.name];
        failed(subject.name, error instanceof Error ? error.message : String(error));
      }
    }
  }
  return figures;
}

async function measure(
  subject: Subject,
  quick: boolean,
  directory: string,
): Promise<PathMeasured> {
  const { command, close } = await subject.open();
  try {
    const self = [process.execPath, fileURLToPath(new URL("./_path_measure.ts", import.meta.url))];
    const text = await outputOf([...self, quick ? "--quick" : "--full", ...command], {
      cwd: directory,
      limitMs: LIMIT_MS,
    });
    return JSON.parse(text) as PathMeasured;
  } finally {
    close();
  }
}

/** One subject in one round; the slowest known takes a quarter of it. */
const LIMIT_MS = 60_000;
