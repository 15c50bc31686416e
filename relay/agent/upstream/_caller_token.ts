/** The token of one session that tells a server who calls: signed rarely, at hand always. */
import type {
  App,
  AppToken,
  AppTokenRequest,
  Clock,
  Log,
  Principal,
  SignAppToken,
} from "../../../identity/mod.ts";
import { RelayError } from "../../error.ts";

/** After a failed attempt to renew a token that is still good. */
const RETRY_MS = 5_000;

export interface CallerTokenOptions {
  readonly kind: AppTokenRequest["kind"];
  readonly claims: AppTokenRequest["claims"];
  readonly app: App;
  readonly sign: SignAppToken;
  /** The end of the session's certificate. */
  readonly notAfter: () => Date;
  readonly clock: Clock;
  readonly log: Log;
}

export class CallerToken {
  readonly #options: CallerTokenOptions;
  #current: { readonly who: string; readonly token: AppToken; renewAt: number } | undefined;
  #signing: { readonly who: string; readonly token: Promise<AppToken> } | undefined;

  constructor(options: CallerTokenOptions) {
    this.#options = options;
  }

  /** A token that is true of the principal and has not ended. */
  async of({ bot, roles, traits }: Principal): Promise<string> {
    const principal = { bot, roles, traits };
    const who = JSON.stringify(principal);
    const now = this.#options.clock.now().getTime();
    const current = this.#current;
    // INVARIANT (closed): a token of other roles or traits is never used again.
    if (current === undefined || current.who !== who || now >= current.token.expires.getTime()) {
      return (await this.#sign(who, principal).catch((cause) => this.#fail(cause))).token;
    }
    if (now >= current.renewAt) {
      // Nobody waits: the one at hand is good for a while.
      current.renewAt = now + RETRY_MS;
      this.#sign(who, principal).catch((error: unknown) => {
        const { app, log } = this.#options;
        log.warn("Cannot renew the token for a server", { app: app.name, error: String(error) });
      });
    }
    return current.token.token;
  }

  /** The log learns what went wrong; the error may be told to the peer. */
  #fail(cause: unknown): never {
    const { app, log } = this.#options;
    log.error("Cannot sign the token for a server", { app: app.name, error: String(cause) });
    const message = `The token for app "${app.name}" cannot be signed`;
    throw new RelayError("VALUE_UNAVAILABLE", message, { hint: "The agent's log says why", cause });
  }

  #sign(who: string, principal: AppTokenRequest["principal"]): Promise<AppToken> {
    if (this.#signing?.who === who) return this.#signing.token;
    const { app, claims, clock, kind, notAfter, sign } = this.#options;
    const now = clock.now().getTime();
    const signing = {
      who,
      token: sign({ kind, audience: app.uri, principal, claims, notAfter: notAfter() }).then(
        (token) => {
          // A third of its life is left, for servers whose clocks are ahead.
          const renewAt = now + (token.expires.getTime() - now) * 2 / 3;
          this.#current = { who, token, renewAt };
          return token;
        },
      ).finally(() => {
        if (this.#signing === signing) this.#signing = undefined;
      }),
    };
    this.#signing = signing;
    return signing.token;
  }
}
