/**
 * The change streams that are open at this authority, one for each host, and what is asked of
 * agents through them.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock.ts";
import { IdentityError } from "../../error.ts";
import type { AgentQuestion } from "../../stream/line.ts";
import type { ChangeStream } from "../stream/change_stream.ts";
import type { HostCaller } from "./identify_host.ts";

/** Questions that wait at a time; nobody asks so many who has a use for the answers. */
const MAX_QUESTIONS = 1024;

interface Waiting {
  readonly host: string;
  readonly answer: (value: unknown) => void;
  readonly giveUp: () => void;
}

export class HostStreams {
  readonly #clock: Clock;
  readonly #open = new Map<
    string,
    { readonly caller: HostCaller; readonly stream: ChangeStream }
  >();
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Agents that follow now. */
  agents(): string[] {
    return [...this.#open].filter(([, { caller }]) => caller.role === "agent").map(([id]) => id);
  }

  has(host: string): boolean {
    return this.#open.has(host);
  }

  /** A host has one stream: a newer one ends the one before, which its host has lost. */
  add(caller: HostCaller, stream: ChangeStream): void {
    this.#open.get(caller.host)?.stream.close();
    this.#open.set(caller.host, { caller, stream });
  }

  remove({ host }: HostCaller, stream: ChangeStream): void {
    if (this.#open.get(host)?.stream !== stream) return;
    this.#open.delete(host);
    for (const waiting of this.#waiting.values()) if (waiting.host === host) waiting.giveUp();
  }

  /** Asks an agent; rejects when it does not answer in time. The answer is as the agent says. */
  async ask(host: string, what: AgentQuestion, ms: number): Promise<unknown> {
    const open = this.#open.get(host);
    if (!open || this.#waiting.size >= MAX_QUESTIONS) throw silent(host);
    const id = randomUUID();
    const enough = new AbortController();
    try {
      return await new Promise<unknown>((resolve, reject) => {
        const giveUp = () => reject(silent(host));
        this.#waiting.set(id, { host, answer: resolve, giveUp });
        open.stream.ask({ id, what });
        this.#clock.sleep(ms, enough.signal).then(giveUp, () => {});
      });
    } finally {
      enough.abort();
      this.#waiting.delete(id);
    }
  }

  /** An answer counts from the one who was asked. */
  answer({ host }: HostCaller, id: string, answer: unknown): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.host === host) waiting.answer(answer);
  }

  close(): void {
    for (const { stream } of this.#open.values()) stream.close();
  }
}

function silent(host: string): IdentityError {
  return new IdentityError("UNAVAILABLE", `Agent ${host} does not answer`, {
    hint: "See whether it runs and reaches the authority",
  });
}
