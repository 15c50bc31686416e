/** Open sessions of the agent in this process: which there are, and which a change has ended. */
import { IdentityError } from "../../error.ts";
import type { Cluster } from "../cluster.ts";
import type { EndedSession, SessionSummary } from "./admin.ts";
import type { LocalAgent, OpenSession } from "./_local_agent.ts";

/** How long a receipt waits for servers that do not want to end. Milliseconds. */
const PATIENCE_MS = 10_000;

export function listSessions(agent: LocalAgent | undefined): Promise<SessionSummary[]> {
  if (!agent) {
    const message = "Sessions are known to a running app-agent only";
    return Promise.reject(new IdentityError("UNAVAILABLE", message, { hint: "Start app-agent" }));
  }
  const open = agent.openSessions().filter(({ ended }) => !ended);
  return Promise.resolve(open.map((session) => ({
    ...named(session),
    address: session.address,
    started: session.started.toISOString(),
  })));
}

/** Makes a change; tells which sessions it has ended, and after how long nothing of them was left. */
export async function withReceipt<T>(
  { clock }: Cluster,
  agent: LocalAgent | undefined,
  change: () => Promise<T>,
): Promise<{ result: T; ended: EndedSession[] }> {
  const open = agent?.openSessions().filter(({ ended }) => !ended) ?? [];
  const began = clock.monotonic();
  const result = await change();
  // Sessions follow the store: whoever has to end has been told by now.
  const hit = open.filter(({ ended }) => ended);
  const patience = new AbortController();
  const enough = clock.sleep(PATIENCE_MS, patience.signal).catch(() => {});
  const ended = await Promise.all(hit.map(async (session): Promise<EndedSession> => {
    const gone = await Promise.race([session.closed.then(() => true), enough.then(() => false)]);
    const milliseconds = Math.ceil(clock.monotonic() - began);
    return { ...named(session), ...(gone && { milliseconds }) };
  }));
  patience.abort();
  return { result, ended };
}

function named({ app, bot, id, instance }: OpenSession): Omit<EndedSession, "milliseconds"> {
  return { session: id, bot, instance, app };
}
