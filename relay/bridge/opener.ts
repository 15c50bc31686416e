/**
 * Opens and resumes the sessions of a bridge, each time with the identity as it is then: tbot
 * renews the file while the bridge runs.
 */
import {
  type AuthorityClient,
  checkIdentity,
  connectAuthority,
  identityExpiry,
  type IdentityFile,
  readIdentityFile,
} from "../../identity/mod.ts";
import type { BridgeOptions } from "./options.ts";
import { Session, type SessionOptions } from "./session.ts";

/** Milliseconds for one call to the authority. */
const AUTHORITY_MS = 15_000;

/** What sessions need besides what the bridge was told. */
type Circumstances = Pick<
  SessionOptions,
  "clock" | "signal" | "onMessage" | "onRepeatable" | "onLost" | "awaits"
>;

export class Opener {
  readonly #options: BridgeOptions;
  readonly #circumstances: Circumstances;
  /** The identity that was used last. */
  #identity: IdentityFile | undefined;

  constructor(options: BridgeOptions, circumstances: Circumstances) {
    this.#options = options;
    this.#circumstances = circumstances;
  }

  /** Opens a session; rejects with why there is none. */
  async open(): Promise<Session> {
    const { app, proxy, options: { client = "tsh-mcp", reconnect = true } = {} } = this.#options;
    const authority = await this.#authority();
    const resumes = reconnect;
    return await Session.open(authority, { ...this.#circumstances, app, proxy, client, resumes });
  }

  /** Goes on with a session over another connection; rejects with why it did not work. */
  async resume(session: Session): Promise<void> {
    await session.resume(await this.#authority());
  }

  /** The end of the identity as it is now: no certificate outlives it. */
  async expiry(): Promise<Date> {
    return identityExpiry(await this.#currentIdentity());
  }

  async #authority(): Promise<AuthorityClient> {
    const { proxy, options = {} } = this.#options;
    const identity = this.#identity = await this.#currentIdentity();
    // Said at once, instead of by a failed handshake later.
    checkIdentity(identity, this.#circumstances.clock.now());
    return (options.connectAuthority ?? connectAuthority)({
      proxy,
      trust: { kind: "cas", hostCas: identity.tlsCas },
      credentials: { certificate: identity.tlsCertificate, key: identity.key },
      timeout: AUTHORITY_MS,
    });
  }

  /** What is known stays good until it expires, whatever became of the file. */
  async #currentIdentity(): Promise<IdentityFile> {
    const { identity, identityPath, log, options } = this.#options;
    const read = options?.readIdentity ?? (() => readIdentityFile(identityPath ?? ""));
    if (this.#identity === undefined) return identity ?? await read();
    try {
      return await read();
    } catch (error) {
      log.debug("Kept the identity: the file cannot be read", { error: String(error) });
      return this.#identity;
    }
  }
}
