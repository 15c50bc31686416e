import type { Clock, ClusterView } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { type Admission, expired, judge, type Refused, type Verdict } from "./admission.ts";
import { CertificateWatch } from "./certificate_watch.ts";

export interface StandingHandlers {
  /** The holder may not keep the session. */
  onRefused(refused: Refused): void;
  /** Something in the cluster has changed, and the holder may still use the app, perhaps otherwise. */
  onChange(verdict: Extract<Verdict, { kind: "allowed" }>): void;
  onError(error: unknown): void;
}

export interface StandingOptions {
  readonly admission: Admission;
  readonly view: ClusterView;
  readonly clock: Clock;
  /** Aborted when the session is over. */
  readonly signal: AbortSignal;
}

/** Whether the holder of a session may keep it: by the certificate, and by the cluster as it is now. */
export class Standing {
  readonly #options: StandingOptions;
  readonly #handlers: StandingHandlers;
  readonly #certificate: CertificateWatch;

  constructor(options: StandingOptions, handlers: StandingHandlers) {
    const { admission, clock, signal, view } = options;
    this.#options = options;
    this.#handlers = handlers;
    this.#certificate = new CertificateWatch(admission, view, clock);
    signal.addEventListener("abort", view.subscribe(() => this.#reconsider()), { once: true });
    // What has changed between the admission and here was told to nobody.
    this.#reconsiderCertificate();
    after(clock, this.#certificate.remaining, signal, () => handlers.onRefused(expired()));
  }

  /** Why a message that has just come may not be taken any more. */
  get lost(): Refused | undefined {
    return this.#certificate.remaining <= 0 ? expired() : undefined;
  }

  #reconsider(): void {
    const { admission: { claims }, signal, view } = this.#options;
    if (signal.aborted) return;
    const verdict = judge(claims, view);
    if (verdict.kind === "refused") return this.#handlers.onRefused(verdict);
    this.#reconsiderCertificate();
    this.#handlers.onChange(verdict);
  }

  #reconsiderCertificate(): void {
    this.#certificate.reconsider().then(
      (wrong) => wrong && this.#handlers.onRefused(wrong),
      (error) => this.#handlers.onError(error),
    );
  }
}
