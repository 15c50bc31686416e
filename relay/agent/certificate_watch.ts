import type { Clock, ClusterView } from "../../identity/mod.ts";
import type { CertificateInfo } from "../../identity/x509/mod.ts";
import { type Admission, type Refused, verify } from "./admission.ts";

/** Whether the certificate that opened a session is still good while the session lasts. */
export class CertificateWatch {
  readonly #certificate: CertificateInfo;
  readonly #view: ClusterView;
  readonly #clock: Clock;
  /** The CAs that it was verified by. */
  #cas: string;

  constructor({ certificate, cas }: Admission, view: ClusterView, clock: Clock) {
    this.#certificate = certificate;
    this.#view = view;
    this.#clock = clock;
    this.#cas = cas.join();
  }

  /** Milliseconds that it has to live. */
  get remaining(): number {
    return this.#certificate.notAfter.getTime() - this.#clock.now().getTime();
  }

  /** What is wrong with it, if a CA was added or taken away since it was looked at last. */
  async reconsider(): Promise<Refused | undefined> {
    const cas = this.#view.userCas().join();
    if (cas === this.#cas) return undefined;
    this.#cas = cas;
    return await verify(this.#certificate, this.#view, this.#clock.now());
  }
}
