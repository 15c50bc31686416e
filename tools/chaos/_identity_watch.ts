// Looks at an identity file all the time, as whoever uses it may at any moment.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readIdentityFile } from "../../identity/mod.ts";

/** Milliseconds between two looks. */
const LOOK_MS = 100;

export class IdentityWatch {
  readonly path: string;
  /** What was wrong with the file, and when. */
  readonly gaps: string[] = [];
  /** Different certificates that were seen. */
  renewals = 0;
  /** Milliseconds that the certificate had left when it had least. */
  least = Infinity;
  #serial = "";
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(path: string) {
    this.path = path;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      const { tlsCertificate, key } = await readIdentityFile(this.path);
      const certificate = new X509Certificate(tlsCertificate);
      if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error("another's key");
      const left = Date.parse(certificate.validTo) - Date.now();
      this.least = Math.min(this.least, left);
      if (left <= 0) throw new Error(`expired ${-left} ms ago`);
      if (certificate.serialNumber !== this.#serial) this.renewals++;
      this.#serial = certificate.serialNumber;
    } catch (error) {
      this.gaps.push(`${new Date().toISOString()} ${error}`);
    }
  }
}
