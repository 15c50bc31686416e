import { isIP } from "node:net";
import { generateKeyPair } from "../keys.ts";
import type { HostClaims } from "../x509/claims.ts";
import type { Cluster } from "./cluster.ts";
import { issueRecorded } from "./issue_recorded.ts";

/** A host's certificate and key, PEM. */
export interface HostCredentials {
  readonly certificate: string;
  readonly key: string;
  /** The CA that signed it. */
  readonly ca: string;
}

export interface HostRequest {
  readonly role: HostClaims["role"];
  /** 32 hex digits. */
  readonly host: string;
  /** DNS names and IP addresses that clients may dial. */
  readonly names?: readonly string[];
}

const HOST_HOURS = 24;
const RETRY_MS = 60_000;

/**
 * A host certificate that is replaced two thirds into its life, and at once when another CA signs,
 * until the signal is aborted.
 */
export class HostIdentity {
  #current: HostCredentials;

  private constructor(first: HostCredentials) {
    this.#current = first;
  }

  /** The credentials to use for the next connection. */
  get credentials(): HostCredentials {
    return this.#current;
  }

  static async open(
    cluster: Cluster,
    request: HostRequest,
    signal: AbortSignal,
  ): Promise<HostIdentity> {
    const identity = new HostIdentity(await issue(cluster, request));
    identity.#keepFresh(cluster, request, signal).catch((error: unknown) => {
      if (!signal.aborted) cluster.log.error("Host renewal ended", { error: String(error) });
    });
    return identity;
  }

  async #keepFresh(cluster: Cluster, request: HostRequest, signal: AbortSignal): Promise<void> {
    let wait = HOST_HOURS * 3_600_000 * 2 / 3;
    while (!signal.aborted) {
      await this.#rest(cluster, wait, signal);
      try {
        this.#current = await issue(cluster, request);
        wait = HOST_HOURS * 3_600_000 * 2 / 3;
      } catch (error) {
        cluster.log.error("Cannot renew a host certificate", {
          role: request.role,
          error: String(error),
        });
        await cluster.clock.sleep(RETRY_MS, signal);
        wait = 0;
      }
    }
  }

  async #rest({ clock, keys, view }: Cluster, ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    const stop = view.subscribe(() => {
      if (view.keys.host.certificate !== this.#current.ca) wake();
    });
    signal.addEventListener("abort", wake);
    try {
      if (keys.host.certificate === this.#current.ca && !signal.aborted) {
        await clock.sleep(ms, woken.signal);
      }
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    } finally {
      stop();
      signal.removeEventListener("abort", wake);
    }
    signal.throwIfAborted();
  }
}

async function issue(cluster: Cluster, request: HostRequest): Promise<HostCredentials> {
  const { publicKey, privateKey } = generateKeyPair();
  const names = [...new Set(request.names)];
  const now = cluster.clock.now();
  const ca = cluster.keys.host.certificate;
  const certificate = await issueRecorded(cluster, {
    publicKey,
    claims: { kind: "host", role: request.role, host: request.host },
    notBefore: now,
    notAfter: new Date(now.getTime() + HOST_HOURS * 3_600_000),
    dnsNames: names.filter((name) => isIP(name) === 0),
    ipAddresses: names.filter((name) => isIP(name) !== 0),
    usage: ["server"],
  });
  return { certificate, key: privateKey, ca };
}
