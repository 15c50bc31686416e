// What a session costs its agent while nothing is said.
import { Buffer } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  connectAuthority,
  type IdentityFile,
  readIdentityFile,
  systemClock,
} from "../../identity/mod.ts";
import { Session } from "../../relay/bridge/session.ts";
import { startCluster } from "./_cluster.ts";
import { memoryOf } from "./_path_measure.ts";
import { median } from "./_stats.ts";

const SERVER = fileURLToPath(new URL("./_idle_server.sh", import.meta.url));
/** Sessions that are opened at once: more would measure how they queue. */
const TOGETHER = 8;
/** Opened and closed before the first look, so that what is loaded once is there. */
const WARM_UP = 64;
/** For what is left of the opening to be collected. */
const SETTLE_MS = 3000;

export interface IdleMeasured {
  readonly sessions: number;
  /** Kilobytes of the agent for each session; its server's own memory is not in it. */
  readonly kbEach: number;
  /** Megabytes of the agent before and with them all. */
  readonly beforeMb: number;
  readonly withMb: number;
  /** Milliseconds to open one more, median of eight, with none and with all the others there. */
  readonly openMs: readonly [none: number, all: number];
}

/** Opens `many` sessions up to the server's first answer, each with a server process of its own. */
export async function measureIdle(directory: string, many: number): Promise<IdleMeasured> {
  const most = many + WARM_UP;
  const limits = `{ sessions: ${most}, sessions_per_bot: ${most}, sessions_per_app: ${most} }`;
  const { cluster, identity } = await startCluster(directory, {
    command: ["/bin/sh", SERVER],
    sections: `  limits: ${limits}\n`,
  });
  const held: Session[] = [];
  try {
    const file = await readIdentityFile(identity);
    const { pid } = cluster.agent;
    const open = () => openSession(cluster.proxy, file);
    const first = await inTurns(WARM_UP, open);
    const withNone = await timed(first, open);
    await closeAll(first);
    await sleep(SETTLE_MS);
    const beforeMb = memoryOf(pid, "VmRSS");
    held.push(...await inTurns(many, open));
    await sleep(SETTLE_MS);
    const withMb = memoryOf(pid, "VmRSS");
    const openMs = [withNone, await timed(held, open)] as const;
    const kbEach = (withMb - beforeMb) * 1024 / many;
    return { sessions: many, kbEach, beforeMb, withMb, openMs };
  } finally {
    await closeAll(held);
    await cluster.stop();
  }
}

async function openSession(proxy: string, identity: IdentityFile): Promise<Session> {
  const answered = Promise.withResolvers<void>();
  const credentials = { certificate: identity.tlsCertificate, key: identity.key };
  const authority = connectAuthority({
    proxy,
    trust: { kind: "cas", hostCas: identity.tlsCas },
    credentials,
    timeout: 60_000,
  });
  const session = await Session.open(authority, {
    resumes: false,
    awaits: () => false,
    onLost: () => {},
    app: "my-mcp-server",
    proxy,
    client: "bench",
    clock: systemClock,
    signal: new AbortController().signal,
    onMessage: (_body, from) => {
      from.passedOn();
      answered.resolve();
    },
  });
  session.send(INITIALIZE);
  await Promise.race([answered.promise, session.over.then((reason) => Promise.reject(reason))]);
  return session;
}

const INITIALIZE = Buffer.from(JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "bench", version: "1" },
  },
}));

/** Opens eight more, one after another, and keeps them; the median time of one. */
async function timed(held: Session[], open: () => Promise<Session>): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < 8; at++) {
    const start = performance.now();
    held.push(await open());
    times.push(performance.now() - start);
  }
  return median(times);
}

/** Calls `make` so often, a few at once. */
async function inTurns<T>(times: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  let left = times;
  const worker = async () => {
    while (left-- > 0) made.push(await make());
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
  return made;
}

async function closeAll(sessions: Session[]): Promise<void> {
  await Promise.all(
    sessions.splice(0).map((session) => {
      session.close();
      return session.over;
    }),
  );
}
