// One engine, one kind of question, in a process of its own.
import { ENGINES } from "./_policy_engines.ts";
import type { Ask } from "./_policy_engines.ts";
import { APPS, toolName, type Workload, workload } from "./_policy_workload.ts";

/** How long an engine is asked, after a warm-up of half of it. */
export const ROUND_MS = 300;

export type Kind = "warm" | "distinct" | "list" | "cold";

export interface Measured {
  /** Nanoseconds a decision. */
  readonly nanos: number;
  /** The longest of them, where each is timed. */
  readonly worst?: number;
  /** A digit for each ask of the workload. */
  readonly verdicts: string;
}

/** Names made before they are asked, so that making them is not measured. */
const BATCH = 512;

export async function measure(engine: string, roles: number, kind: Kind): Promise<Measured> {
  const load = workload(roles);
  const ask = await ENGINES[engine]!(load);
  const cold = kind === "cold" ? timeCold(ask, roles) : undefined;
  const verdicts = load.asks.map(([app, tool]) => ask(app, tool) ? "1" : "0").join("");
  if (cold) return { ...cold, verdicts };
  if (kind === "distinct") return { nanos: timeDistinct(ask, roles), verdicts };
  if (kind === "list") {
    const tools = Array.from({ length: 1000 }, (_, i) => [0, toolName(i, roles)] as const);
    return { nanos: timed(ask, tools), verdicts };
  }
  return { nanos: timed(ask, load.asks), verdicts };
}

/** The mean of the first asks, compiling policies included, and the longest single one. */
function timeCold(ask: Ask, roles: number): { nanos: number; worst: number } {
  const count = 10_000;
  // A session is opened before it is asked: policies exist, no tool has been asked for.
  const opening = performance.now();
  for (let app = 0; app < APPS; app++) ask(app, "");
  let worst = 0;
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    ask((n * 37) % APPS, toolName(n, roles));
    worst = Math.max(worst, performance.now() - start);
  }
  return { nanos: (performance.now() - opening) * 1e6 / count, worst: worst * 1e6 };
}

function timeDistinct(ask: Ask, roles: number): number {
  let n = 0;
  let spent = 0;
  let asked = 0;
  let granted = 0;
  const begin = performance.now();
  while (performance.now() - begin < 2 * ROUND_MS) {
    const names = Array.from({ length: BATCH }, () => flat(`${toolName(n, roles)}_${n++}`));
    const start = performance.now();
    for (let i = 0; i < BATCH; i++) if (ask(i % 20, names[i]!)) granted++;
    // The first half warms up.
    if (start - begin > ROUND_MS) {
      spent += performance.now() - start;
      asked += BATCH;
    }
  }
  if (granted > n) throw new Error("unreachable"); // Keeps the calls from being optimised away.
  return spent * 1e6 / asked;
}

/** A text as one that came over a wire, not as the pieces that it was joined from. */
function flat(text: string): string {
  return decoder.decode(encoder.encode(text));
}
const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/** Nanoseconds an ask, after a warm-up. One loop and one call: little but the engine is measured. */
function timed(ask: Ask, asks: Workload["asks"]): number {
  let granted = 0;
  let asked = 0;
  const forMillis = (millis: number) => {
    const start = performance.now();
    const first = asked;
    do {
      for (const [app, tool] of asks) if (ask(app, tool)) granted++;
      asked += asks.length;
    } while (performance.now() - start < millis);
    return (performance.now() - start) * 1e6 / (asked - first);
  };
  forMillis(ROUND_MS / 2);
  const nanos = forMillis(ROUND_MS);
  if (granted > asked) throw new Error("unreachable"); // Keeps the calls from being optimised away.
  return nanos;
}
