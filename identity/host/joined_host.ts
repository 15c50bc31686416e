/**
 * An agent or a relay in another process than the authority's: it joins once with a token, keeps its
 * certificate in the data directory, and replaces it two thirds into its life. When the certificate
 * has ended meanwhile it joins again, with a token, and stays the host that it was by its old key.
 */
import { X509Certificate } from "node:crypto";
import type { IssuedHost } from "../authority/api.ts";
import type { ConnectOptions, Trust } from "../authority/client.ts";
import { backoff } from "../bot/schedule.ts";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import type { IdentityErrorCode } from "../error.ts";
import { signHostProof } from "../join/host_proof.ts";
import { generateKeyPair } from "../keys.ts";
import type { Log } from "../log.ts";
import { connectHost, type HostClient } from "./host_client.ts";
import { HostFile, type StoredHost } from "./stored_host.ts";

export interface JoinedHostOptions {
  readonly directory: string;
  readonly role: "agent" | "relay";
  /** What the machine calls itself. */
  readonly name: string;
  /** `host:port` of the authority, or of a relay that leads to it. */
  readonly authority: string;
  /** How the authority is known before the first join. */
  readonly trust: Trust;
  readonly token: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly random?: () => number;
}

/** What of a certificate's life passes before it is replaced; the rest is for failed attempts. */
const USED = 2 / 3;

/** Trying again helps against these alone. */
const PASSING: ReadonlySet<IdentityErrorCode> = new Set<IdentityErrorCode>([
  "API_UNREACHABLE",
  "AUDIT_UNAVAILABLE",
  "AUDIT_QUEUE_FULL",
  "INTERNAL",
  "RATE_LIMITED",
  "SPOOL_FULL",
  "UNAVAILABLE",
]);

export class JoinedHost {
  readonly #options: JoinedHostOptions;
  readonly #file: HostFile;
  #stored: StoredHost;
  /** Addresses that lead to the authority; the first is used. */
  #ways: string[];
  /** Aborted when the certificate should be renewed before its time. */
  #due = new AbortController();
  readonly client: HostClient;

  private constructor(options: JoinedHostOptions, file: HostFile, stored: StoredHost) {
    this.#options = options;
    this.#file = file;
    this.#stored = stored;
    this.#ways = [options.authority];
    this.client = connectHost(() => this.connection, (proxy) => this.wayFailed(proxy));
  }

  /** Resolves once there is a certificate that is good now. */
  static async open(options: JoinedHostOptions): Promise<JoinedHost> {
    const { clock, log, signal, random = Math.random } = options;
    const file = new HostFile(options.directory, options.role);
    const found = await file.read();
    if (found && expiryOf(found) > clock.now()) return begin(new JoinedHost(options, file, found));
    for (let failures = 1;; failures++) {
      try {
        return begin(new JoinedHost(options, file, await join(options, file, found)));
      } catch (error) {
        if (!passes(error) || signal.aborted) throw error;
        log.warn("Cannot join yet", { role: options.role, error: String(error) });
        await clock.sleep(backoff(failures, random), signal);
      }
    }
  }

  get host(): string {
    return this.#stored.host;
  }

  get cluster(): string {
    return this.#stored.cluster;
  }

  get hostCas(): readonly string[] {
    return this.#stored.hostCas;
  }

  /** The certificate and its key, PEM, as of now. */
  get credentials(): { readonly certificate: string; readonly key: string } {
    return this.#stored;
  }

  /** How the authority is called now. */
  get connection(): ConnectOptions {
    const { certificate, hostCas, key } = this.#stored;
    const trust = { kind: "cas", hostCas } as const;
    return { proxy: this.#ways[0]!, trust, credentials: { certificate, key } };
  }

  /** Relays that lead to the authority as well, when what the configuration names does not. */
  learnWays(addresses: readonly string[]): void {
    const known = new Set([this.#options.authority, ...addresses]);
    // Those that are gone go; the one in use stays in use.
    this.#ways = [...this.#ways.filter((way) => known.delete(way)), ...known];
  }

  /** The next call goes another way, if there is one. */
  wayFailed(proxy: string): void {
    if (this.#ways[0] !== proxy) return;
    this.#ways = [...this.#ways.slice(1), proxy];
  }

  /** The host CAs of now, so that a host that slept through a rotation still knows the authority. */
  async learn(hostCas: readonly string[]): Promise<void> {
    if (hostCas.length === 0 || hostCas.join() === this.#stored.hostCas.join()) return;
    const [signing] = this.#stored.hostCas;
    await this.#keep({ ...this.#stored, hostCas: [...hostCas] });
    // Another CA signs now, which is the first: the certificate of the old one ends with it.
    if (hostCas[0] !== signing) this.#due.abort();
  }

  async keepFresh(): Promise<void> {
    const { clock, log, random = Math.random, role, signal } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const wait = failures > 0 ? backoff(failures, random) : untilRenewal(this.#stored, clock);
      await this.#rest(wait);
      try {
        await this.#renew();
        failures = 0;
      } catch (error) {
        failures++;
        log.error("Cannot renew the certificate of this host", { role, error: String(error) });
      }
    }
  }

  /** Until it is time, or somebody says that it is. */
  async #rest(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    await clock.sleep(ms, AbortSignal.any([signal, this.#due.signal])).catch(() => {});
    signal.throwIfAborted();
    this.#due = new AbortController();
  }

  async #renew(): Promise<void> {
    const { clock } = this.#options;
    if (expiryOf(this.#stored) <= clock.now()) {
      await this.#keep(await join(this.#options, this.#file, this.#stored));
      return;
    }
    const { privateKey, publicKey } = generateKeyPair();
    await this.#keep(toStored(await this.client.renew({ publicKey }), privateKey));
  }

  async #keep(stored: StoredHost): Promise<void> {
    this.#stored = stored;
    await this.#file.write(stored);
  }
}

function begin(host: JoinedHost): JoinedHost {
  host.keepFresh().catch(() => {});
  return host;
}

async function join(
  options: JoinedHostOptions,
  file: HostFile,
  before: StoredHost | undefined,
): Promise<StoredHost> {
  const { authority, name, role, token, trust } = options;
  if (token === undefined) {
    throw new IdentityError(
      "CONFIG_INVALID",
      before
        ? `Cannot go on as ${role}: the certificate in ${file.path} has expired`
        : `Cannot start as ${role}: this host has not joined the cluster`,
      {
        hint: "Make a token with `tctl tokens add --type=" +
          `${role === "agent" ? "app" : "proxy"}\`, and set teleport.join_params.token_name`,
      },
    );
  }
  const { privateKey, publicKey } = generateKeyPair();
  const known = before && { kind: "cas" as const, hostCas: before.hostCas };
  const client = connectHost(() => ({ proxy: authority, trust: known ?? trust }));
  const issued = await client.join({
    token,
    role,
    name,
    publicKey,
    ...(before && {
      before: {
        host: before.host,
        signature: signHostProof(
          { cluster: before.cluster, host: before.host, publicKey },
          before.key,
        ),
      },
    }),
  });
  const stored = toStored(issued, privateKey);
  await file.write(stored);
  options.log.info("Joined the cluster", { cluster: stored.cluster, role, host: stored.host });
  return stored;
}

function toStored({ certificate, host, trust }: IssuedHost, key: string): StoredHost {
  return { cluster: trust.cluster, host, certificate, key, hostCas: [...trust.hostCas] };
}

function expiryOf({ certificate }: StoredHost): Date {
  return new Date(new X509Certificate(certificate).validTo);
}

function untilRenewal({ certificate }: StoredHost, clock: Clock): number {
  const { validFrom, validTo } = new X509Certificate(certificate);
  const [start, end] = [Date.parse(validFrom), Date.parse(validTo)];
  return Math.max(1_000, start + (end - start) * USED - clock.now().getTime());
}

function passes(error: unknown): boolean {
  return error instanceof IdentityError && PASSING.has(error.code);
}
