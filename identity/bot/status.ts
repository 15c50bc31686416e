/** How the loops of a bot fare, for those who watch over it. */
import type { Clock } from "../clock.ts";
import type { BotService } from "./config.ts";

/** The name that the bot's own identity has among the services: the original's. */
export const BOT_SERVICE = "identity";

/** Stands among the services while a configuration that was read again cannot be used. */
export const CONFIGURATION = "configuration";

/** The state of one service, in the original's words. */
export interface ServiceStatus {
  readonly status: "initializing" | "healthy" | "unhealthy";
  /** What went wrong last, while it is wrong. */
  readonly reason?: string;
}

/** One round of a service: work that succeeded, or gave up after its tries. */
export interface Iteration {
  readonly service: string;
  readonly succeeded: boolean;
  /** How often the work was tried in this round. */
  readonly tries: number;
  readonly seconds: number;
}

export interface LastError {
  readonly service: string;
  readonly reason: string;
  readonly at: Date;
}

/** Remembers the last word of each service; rounds are told to whoever counts them. */
export class BotStatus {
  readonly #clock: Clock;
  readonly #onIteration: ((iteration: Iteration) => void) | undefined;
  readonly #onChange: (() => void) | undefined;
  #lastError: LastError | undefined;
  readonly #services = new Map<string, ServiceStatus>();
  readonly #types = new Map<string, string>();
  readonly #begun = new Map<string, number>();

  constructor(clock: Clock, hooks: {
    readonly onIteration?: (iteration: Iteration) => void;
    readonly onChange?: () => void;
  } = {}) {
    this.#clock = clock;
    this.#onIteration = hooks.onIteration;
    this.#onChange = hooks.onChange;
  }

  /** The services by name, in the order of the configuration. */
  get services(): Readonly<Record<string, ServiceStatus>> {
    return Object.fromEntries(this.#services);
  }

  /** What went wrong last, also when it is right again. */
  get lastError(): LastError | undefined {
    return this.#lastError;
  }

  /** Every service has done its work, and its last round was good. */
  get ready(): boolean {
    return this.#services.size > 0 &&
      [...this.#services.values()].every(({ status }) => status === "healthy");
  }

  /** The type of a service, in the words of the configuration. */
  typeOf(service: string): string {
    return this.#types.get(service) ?? `internal/${service}`;
  }

  /** Names the services there are, beside the bot's own; of those that are known, the state stays. */
  expectServices(services: readonly BotService[]): void {
    this.#types.clear();
    for (const { name, type } of services) this.#types.set(name, type);
    for (const name of this.#services.keys()) {
      if (name !== BOT_SERVICE && name !== CONFIGURATION && !this.#types.has(name)) {
        this.forget(name);
      }
    }
    for (const name of [BOT_SERVICE, ...this.#types.keys()]) {
      if (!this.#services.has(name)) this.#set(name, { status: "initializing" });
    }
  }

  /** There is no such service any more. */
  forget(service: string): void {
    this.#begun.delete(service);
    if (this.#services.delete(service)) this.#onChange?.();
  }

  /** A round of tries begins, unless one is under way. */
  begin(service: string): void {
    if (!this.#begun.has(service)) this.#begun.set(service, this.#clock.monotonic());
  }

  succeeded(service: string, tries: number): void {
    this.#end(service, true, tries);
    this.#set(service, { status: "healthy" });
  }

  /** A try has failed; `givenUp` when the round has no more of them. */
  failed(
    service: string,
    reason: string,
    { tries, givenUp }: { tries: number; givenUp: boolean },
  ): void {
    if (givenUp) this.#end(service, false, tries);
    this.#lastError = { service, reason, at: this.#clock.now() };
    this.#set(service, { status: "unhealthy", reason });
  }

  #end(service: string, succeeded: boolean, tries: number): void {
    const now = this.#clock.monotonic();
    const seconds = (now - (this.#begun.get(service) ?? now)) / 1000;
    this.#begun.delete(service);
    this.#onIteration?.({ service, succeeded, tries, seconds });
  }

  #set(service: string, status: ServiceStatus): void {
    this.#services.set(service, status);
    this.#onChange?.();
  }
}
