import type { Log } from "../../identity/mod.ts";
import { type Failure, failureOf, failureText, type Surroundings } from "./failure.ts";

/** Before anything has failed that could be named. */
const GONE: Failure = {
  prefix: "MCP_NETWORK_UNAVAILABLE",
  sentence: "The session is over",
  hint: "Start this MCP server again in your client",
};

/** What has gone wrong last: the log has the detail, and the client is told the sentence. */
export class Trouble {
  readonly #around: Surroundings & { readonly log: Log };
  #last = GONE;

  constructor(around: Surroundings & { readonly log: Log }) {
    this.#around = around;
  }

  get last(): Failure {
    return this.#last;
  }

  /** The last one, for a request that had been sent. */
  get unknownOutcome(): string {
    return `${failureText(this.#last)} (Whether the request had an effect is unknown.)`;
  }

  note(error: unknown, level: "debug" | "warn" = "warn"): Failure {
    const { log } = this.#around;
    const failure = failureOf(error, this.#around);
    const cause = error instanceof Error ? error.cause : undefined;
    log[level](failure.sentence, {
      code: failure.prefix,
      ...(failure.hint !== undefined && { hint: failure.hint }),
      ...(cause instanceof Error && { cause: cause.message }),
    });
    if (!(error instanceof Error && "code" in error)) log.debug(String(error));
    return this.#last = failure;
  }
}
