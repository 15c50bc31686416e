/** Open sessions, here and at agents elsewhere: which there are, and which a change has ended. */
import { z } from "zod";
import { IdentityError } from "../../error.ts";
import type { Cluster } from "../cluster.ts";
import type { EndedSession, SessionSummary } from "./admin.ts";
import type { LocalAgent, OpenSession } from "./_local_agent.ts";

/** How long a receipt waits for servers that do not want to end. Milliseconds. */
export const PATIENCE_MS = 10_000;
/** How long an agent elsewhere has to answer beside that. */
const ANSWER_MS = 3_000;

const MAX_SESSIONS = 100_000;
const text = z.string().max(1024);
const named = { session: text, bot: text, instance: text, app: text };
const openSessions = z.array(z.object({ ...named, address: text, started: text }))
  .max(MAX_SESSIONS);
const endedSessions = z.array(z.object({ ...named, milliseconds: z.number().exactOptional() }))
  .max(MAX_SESSIONS);

export async function listSessions(
  { hosts }: Cluster,
  agent: LocalAgent | undefined,
): Promise<SessionSummary[]> {
  const elsewhere = hosts.agents();
  if (!agent && elsewhere.length === 0) {
    const message = "Sessions are known to a running app-agent only";
    throw new IdentityError("UNAVAILABLE", message, { hint: "Start app-agent" });
  }
  const remote = await Promise.all(elsewhere.map(async (host) => {
    // One that does not answer may be gone by now.
    const answer = await hosts.ask(host, { kind: "sessions" }, ANSWER_MS).catch(() => []);
    return openSessions.parse(answer).map((session) => ({ ...session, host }));
  }));
  return [...summarizeOpen(agent?.openSessions() ?? []), ...remote.flat()];
}

/** The sessions that are not over yet. */
export function summarizeOpen(sessions: readonly OpenSession[]): SessionSummary[] {
  return sessions.filter(({ ended }) => !ended).map((session) => ({
    ...nameOf(session),
    address: session.address,
    started: session.started.toISOString(),
  }));
}

export interface Receipt<T> {
  readonly result: T;
  readonly ended: EndedSession[];
  /** Agents that have not answered. */
  readonly silent: string[];
}

/** Makes a change; tells which sessions it has ended, and after how long nothing of them was left. */
export async function withReceipt<T>(
  cluster: Cluster,
  agent: LocalAgent | undefined,
  change: () => Promise<T>,
): Promise<Receipt<T>> {
  const { clock, journal } = cluster;
  const open = agent?.openSessions().filter(({ ended }) => !ended) ?? [];
  const since = journal.commit.seq + 1;
  const began = clock.monotonic();
  const result = await change();
  // Sessions follow the store: whoever has to end has been told by now.
  const hit = open.filter(({ ended }) => ended);
  const [here, elsewhere] = await Promise.all([
    awaitEnds(clock, hit, began),
    askAgents(cluster, since, began),
  ]);
  return { result, ended: [...here, ...elsewhere.ended], silent: elsewhere.silent };
}

/** Each session with the milliseconds since `began` after which nothing of it was left. */
export async function awaitEnds(
  clock: Cluster["clock"],
  sessions: readonly OpenSession[],
  began: number,
): Promise<EndedSession[]> {
  const patience = new AbortController();
  const enough = clock.sleep(PATIENCE_MS, patience.signal).catch(() => {});
  const ended = await Promise.all(sessions.map(async (session): Promise<EndedSession> => {
    const gone = await Promise.race([session.closed.then(() => true), enough.then(() => false)]);
    const milliseconds = Math.ceil(clock.monotonic() - began);
    return { ...nameOf(session), ...(gone && { milliseconds }) };
  }));
  patience.abort();
  return ended;
}

/**
 * What is told on the stream comes in order, so an agent that is asked has the change already. Its
 * clock is its own: it says how long each end took there, and the way here is added.
 */
async function askAgents(
  { clock, hosts }: Cluster,
  since: number,
  began: number,
): Promise<{ ended: EndedSession[]; silent: string[] }> {
  const silent: string[] = [];
  const answers = await Promise.all(
    hosts.agents().map(async (host) => {
      try {
        const answer = await hosts.ask(host, { kind: "ended", since }, PATIENCE_MS + ANSWER_MS);
        const ended = endedSessions.parse(answer);
        const slowest = Math.max(0, ...ended.map(({ milliseconds = 0 }) => milliseconds));
        const way = Math.max(0, clock.monotonic() - began - slowest);
        return ended.map(({ milliseconds, ...session }): EndedSession => ({
          ...session,
          host,
          ...(milliseconds !== undefined && { milliseconds: Math.ceil(milliseconds + way) }),
        }));
      } catch {
        silent.push(host);
        return [];
      }
    }),
  );
  return { ended: answers.flat(), silent };
}

function nameOf({ app, bot, id, instance }: OpenSession): Omit<EndedSession, "milliseconds"> {
  return { session: id, bot, instance, app };
}
