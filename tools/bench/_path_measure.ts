// One way to a server, in a process of its own: the client starts a command and asks.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { StdioClient } from "./_stdio_client.ts";
import { median, quantile } from "./_stats.ts";

/** How many calls are under way at once. */
export const IN_FLIGHT = [1, 16, 128] as const;
/** Tools of the server that is measured. */
export const TOOLS = 1000;

export interface PathMeasured {
  readonly firstMs: number;
  /** By calls in flight. */
  readonly calls: Readonly<Record<number, { p50: number; p99: number; perSecond: number }>>;
  readonly hundredKbMs: number;
  /** Null for a way that refuses so large a message. */
  readonly tenMbMs: number | null;
  readonly listMs: number;
  /** Resident memory of the command after small calls, and the most that it ever took. */
  readonly rssMb: number;
  readonly peakMb: number;
  /** The same for all that answer the same. */
  readonly answers: string;
}

const ONE_KB = "x".repeat(1000);
const HUNDRED_KB = "x".repeat(100_000);
const TEN_MB = "x".repeat(10_000_000);

/** A slow way is measured by fewer calls, so that it does not hold up all others. */
interface Bound {
  readonly calls: number;
  readonly ms: number;
}

export async function measurePath(
  command: readonly string[],
  quick: boolean,
): Promise<PathMeasured> {
  const bound = (calls: number, ms: number): Bound =>
    quick ? { calls: calls / 2, ms: ms / 2 } : {
      calls,
      ms,
    };
  const started = performance.now();
  const client = new StdioClient(command, process.cwd());
  try {
    await client.initialize();
    const firstMs = performance.now() - started;
    const answers = await answersOf(client);
    const small = () => client.call(ONE_KB);
    await repeat(small, 16, bound(2000, 1000));
    const calls: Record<number, { p50: number; p99: number; perSecond: number }> = {};
    for (const many of IN_FLIGHT) {
      const { times, perSecond } = await repeat(small, many, bound(many === 1 ? 1000 : 8000, 1500));
      calls[many] = { p50: median(times), p99: quantile(times, 0.99), perSecond };
    }
    const rssMb = memoryOf(client.pid, "VmRSS");
    const each = async (ask: () => Promise<unknown>, limit: Bound) =>
      median((await repeat(ask, 1, limit)).times);
    const listMs = await each(() => client.request("tools/list", {}), bound(40, 1000));
    const hundredKbMs = await each(() => client.call(HUNDRED_KB), bound(60, 1000));
    // The last, since a way that refuses so much may be of no use after.
    const tenMbMs = await each(() => client.call(TEN_MB), bound(4, 3000)).catch(() => null);
    const peakMb = memoryOf(client.pid, "VmHWM");
    return { firstMs, calls, hundredKbMs, tenMbMs, listMs, rssMb, peakMb, answers };
  } finally {
    await client.close();
  }
}

async function repeat(
  ask: () => Promise<unknown>,
  inFlight: number,
  { calls, ms }: Bound,
): Promise<{ times: number[]; perSecond: number }> {
  const times: number[] = [];
  let left = calls;
  const begin = performance.now();
  const worker = async () => {
    while (left-- > 0 && performance.now() - begin < ms) {
      const start = performance.now();
      await ask();
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { times, perSecond: times.length / (performance.now() - begin) * 1000 };
}

/** What is answered, apart from what a gateway may rightly add to a list: how long it holds. */
async function answersOf(client: StdioClient): Promise<string> {
  const asked: [string, object][] = [
    ["tools/list", {}],
    ["tools/call", { name: "echo", arguments: { message: 'one "ü" \u2028 line\n' } }],
    ["tools/call", { name: "echo", arguments: { message: HUNDRED_KB } }],
  ];
  const hash = createHash("sha256");
  for (const [method, params] of asked) {
    const { result } = JSON.parse((await client.request(method, params)).toString("utf8"));
    hash.update(
      JSON.stringify(sorted(result), (key, value) => FRESHNESS.has(key) ? undefined : value),
    );
  }
  return hash.digest("hex");
}

const FRESHNESS = new Set(["ttlMs", "cacheScope"]);

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

/** Megabytes, as Linux counts them; elsewhere not known. */
export function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  if (process.platform !== "linux") return NaN;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
}

if (import.meta.main) {
  const [quick, ...command] = process.argv.slice(2);
  const measured = await measurePath(command, quick === "--quick");
  process.stdout.write(`${JSON.stringify(measured)}\n`, () => process.exit(0));
}
