/** What an agent answers to the authority, which cannot look for itself. */
import { awaitEnds, summarizeOpen } from "../../identity/authority/admin/mod.ts";
import type { OpenSession } from "../../identity/authority/admin/mod.ts";
import type { Clock, Log } from "../../identity/mod.ts";
import type { AgentQuestion, StreamQuestion, Version } from "../../identity/stream/mod.ts";
import type { Agent } from "../../relay/agent/mod.ts";

/** Commits whose ends are remembered; whoever asks does so at once. */
const REMEMBERED = 256;

interface Ends {
  readonly seq: number;
  readonly at: number;
  readonly sessions: readonly OpenSession[];
}

export class AgentAnswers {
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #answer: (id: string, answer: unknown) => Promise<void>;
  #ends: Ends[] = [];
  #told = new Set<string>();

  constructor(
    agent: Agent,
    { answer, clock, log }: {
      readonly answer: (id: string, answer: unknown) => Promise<void>;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {
    this.#agent = agent;
    this.#answer = answer;
    this.#clock = clock;
    this.#log = log;
  }

  /** A commit is in force: whoever has to end because of it has been told by now. */
  commit = ({ seq }: Version): void => {
    const sessions = this.#agent.openSessions();
    const ended = sessions.filter(({ ended, id }) => ended && !this.#told.has(id));
    this.#told = new Set(sessions.filter(({ ended }) => ended).map(({ id }) => id));
    if (ended.length === 0) return;
    this.#ends.push({ seq, at: this.#clock.monotonic(), sessions: ended });
    if (this.#ends.length > REMEMBERED) this.#ends.shift();
  };

  question = ({ id, what }: StreamQuestion): void => {
    this.#answerTo(what).then((answer) => this.#answer(id, answer)).catch((error: unknown) => {
      this.#log.warn("Cannot answer the authority", { what: what.kind, error: String(error) });
    });
  };

  async #answerTo(what: AgentQuestion): Promise<unknown> {
    switch (what.kind) {
      case "sessions":
        return summarizeOpen(this.#agent.openSessions());
      case "tools":
        return await this.#agent.listTools(what.app)
          .catch((error: unknown) => ({ problem: error instanceof Error ? error.message : "" }));
      case "ended": {
        const since = this.#ends.filter(({ seq }) => seq >= what.since);
        const ended = since.map(({ at, sessions }) => awaitEnds(this.#clock, sessions, at));
        return (await Promise.all(ended)).flat();
      }
    }
  }
}
