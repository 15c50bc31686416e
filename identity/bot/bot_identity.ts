import { readFile } from "node:fs/promises";
import type { AuthorityClient, ConnectOptions, Trust } from "../authority/client.ts";
import type { ChallengeRequest, IssuedCertificates, JoinRequest } from "../authority/api.ts";
import type { Clock } from "../clock.ts";
import type { Destination } from "../destination/destination.ts";
import { IdentityError, type IdentityErrorCode } from "../error.ts";
import { freshLife, identityExpiry } from "../identity_check.ts";
import type { IdentityFile } from "../identity_file.ts";
import type { Log } from "../log.ts";
import { joinByKeypair } from "./bound_keypair.ts";
import type { BotConfig, IdTokenOnboarding, Onboarding } from "./config.ts";
import { fetchIdToken } from "./id_token.ts";
import {
  assembleIdentity,
  joinedWith,
  loadIdentity,
  nextKey,
  saveIdentity,
  type SaveOptions,
} from "./stored_identity.ts";
import { isLocked, isOver, isPassing } from "./refusals.ts";
import { readToken } from "./token.ts";
import { unlessAborted } from "./_loop.ts";

export type Connect = (options: ConnectOptions) => AuthorityClient;

export interface BotIdentityOptions {
  readonly config: BotConfig;
  readonly storage: Destination;
  readonly connect: Connect;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The bot's own identity: won once by joining, and kept by renewing it. */
export interface BotIdentity {
  /** Whether there is an identity that has not run out. */
  isValid(): boolean;
  /** Milliseconds that the identity is still good for; `undefined` when there is none. */
  left(): number | undefined;
  /** Joins or renews, as what is stored asks for; returns the milliseconds that the new certificate is good for. */
  renew(): Promise<number>;
  /** Goes by another configuration. With another token it joins at once; rejects if it cannot. */
  take(config: BotConfig): Promise<void>;
  /** Calls the authority as the bot. No renewal happens meanwhile: it would outdate the caller. */
  call<T>(use: (client: AuthorityClient) => Promise<T>): Promise<T>;
  /** The same for what is of no consequence: it waits for nothing, and nothing waits for it. */
  tell<T>(use: (client: AuthorityClient) => Promise<T>): Promise<T>;
}

/** Opens the identity that the storage holds, if any; nothing is sent yet. */
export async function openBotIdentity(options: BotIdentityOptions): Promise<BotIdentity> {
  const { storage, connect, clock, log, signal } = options;
  let { config } = options;
  const oneAtATime = queue();
  let identity = await loadIdentity(storage, log);
  if (identity && await tokenHasChanged(options)) {
    log.info("the join token has changed, joining anew");
    identity = undefined;
  }
  /** The end of a certificate that this process has won, on the clock that only grows. */
  let ends: number | undefined;
  const left = () => {
    if (identity === undefined) return undefined;
    const byDate = identityExpiry(identity).getTime() - clock.now().getTime();
    // What was just issued is good, even if this machine's clock says otherwise.
    return Math.max(byDate, ends === undefined ? -Infinity : ends - clock.monotonic());
  };
  const isValid = () => (left() ?? 0) > 0;
  const ttl = () => Math.floor(config.credentialTtl / 1_000);

  async function joinAnew(): Promise<IdentityFile> {
    const { onboarding } = config;
    const token = await tokenOrExplain(config, identity);
    // Who still has a certificate remains the same instance by it; whether it has run out is for the
    // authority to say.
    const shown = renews(config) ? undefined : identity;
    const client = shown && isValid() ? connect(asBot(config, shown)) : connect({
      proxy: config.proxyServer,
      trust: await joinTrust(config),
      ...(shown && { credentials: asBot(config, shown).credentials }),
    });
    const key = await nextKey(storage);
    const common = { token, publicKey: key.publicKey, ttl: ttl() };
    const { issued, ...rest } = await unlessAborted(join(onboarding, client, common), signal);
    const joined = assembleIdentity(key.privateKey, issued);
    await saveIdentity(storage, joined, { token, ...rest });
    const { recoveriesLeft } = issued.keypair ?? {};
    log.info("joined", {
      proxy: config.proxyServer,
      ...(recoveriesLeft !== undefined && { recoveriesLeft }),
    });
    return joined;
  }

  async function join(
    onboarding: Onboarding | undefined,
    client: AuthorityClient,
    request: { readonly token: string; readonly publicKey: string; readonly ttl: number },
  ): Promise<{ readonly issued: IssuedCertificates } & Omit<SaveOptions, "token">> {
    if (onboarding === undefined || onboarding.joinMethod === "token") {
      return { issued: await client.join({ ...request, method: "token" }) };
    }
    if (onboarding.joinMethod === "bound_keypair") {
      // Between two calls it writes: what was aborted must not go on to.
      const calls = {
        challenge: (asked: ChallengeRequest) => unlessAborted(client.challenge(asked), signal),
        join: (asked: JoinRequest) => unlessAborted(client.join(asked), signal),
      };
      return await joinByKeypair({ ...request, storage, onboarding, client: calls });
    }
    const { joinMethod: method } = onboarding;
    const token = await idToken(onboarding, client);
    return { issued: await client.join({ ...request, method, idToken: token }) };
  }

  async function renewCurrent(current: IdentityFile): Promise<IdentityFile> {
    const key = await nextKey(storage);
    const client = connect(asBot(config, current));
    const issued = await unlessAborted(
      client.renew({ publicKey: key.publicKey, ttl: ttl() }),
      signal,
    );
    const renewed = assembleIdentity(key.privateKey, issued);
    await saveIdentity(storage, renewed);
    return renewed;
  }

  /**
   * Whether the identity has run out is the authority's to say: the clock of this machine may be
   * wrong, and a token that was used cannot be used again.
   */
  async function renewOrJoin(current: IdentityFile): Promise<IdentityFile> {
    try {
      return await renewCurrent(current);
    } catch (error) {
      if (!isOver(error) && (isValid() || isPassing(error) || isLocked(error))) throw error;
      log.warn("the identity cannot be renewed any more, joining anew", { found: String(error) });
      return await joinAnew().catch((refused) => {
        throw endedFor(current, refused);
      });
    }
  }

  async function tell<T>(use: (client: AuthorityClient) => Promise<T>): Promise<T> {
    if (identity && isValid()) {
      return await unlessAborted(use(connect(asBot(config, identity))), signal);
    }
    throw new IdentityError("CERTIFICATE_EXPIRED", "Cannot act as the bot: no valid identity", {
      hint: "See above in the log why the bot's own identity was not renewed",
    });
  }

  function put(fresh: IdentityFile): number {
    identity = fresh;
    const life = freshLife(fresh, clock.now());
    ends = clock.monotonic() + life;
    log.info("the bot's identity is fresh", { until: identityExpiry(fresh).toISOString() });
    return life;
  }

  async function take(next: BotConfig): Promise<void> {
    const before = config;
    config = next;
    if (!identity || !(await tokenHasChanged({ ...options, config: next }))) return;
    log.info("the join token has changed, joining anew");
    try {
      put(await joinAnew());
    } catch (error) {
      config = before;
      throw error;
    }
  }

  return {
    isValid,
    left,
    renew: () =>
      oneAtATime(async () =>
        put(identity && renews(config) ? await renewOrJoin(identity) : await joinAnew())
      ),
    take: (next) => oneAtATime(() => take(next)),
    call: (use) => oneAtATime(() => tell(use)),
    tell,
  };
}

/** Whether an identity is renewed by its certificate, and not won anew. */
function renews({ onboarding }: BotConfig): boolean {
  return onboarding === undefined || onboarding.joinMethod === "token";
}

/** Made out to the cluster, so that it is good nowhere else. */
async function idToken(onboarding: IdTokenOnboarding, client: AuthorityClient): Promise<string> {
  const { cluster_name } = await client.find();
  return await fetchIdToken(onboarding, cluster_name);
}

function asBot(config: BotConfig, { tlsCertificate, key, tlsCas }: IdentityFile): ConnectOptions {
  return {
    proxy: config.proxyServer,
    trust: { kind: "cas", hostCas: tlsCas },
    credentials: { certificate: tlsCertificate, key },
  };
}

async function joinTrust({ trust }: BotConfig): Promise<Trust> {
  switch (trust.kind) {
    case "system":
      return { kind: "system" };
    case "file":
      return { kind: "cas", hostCas: [await readCaFile(trust.path)] };
    default:
      return trust;
  }
}

async function readCaFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("CONFIG_INVALID", `Cannot read the CA certificate ${path}: ${code}`, {
      hint: "Correct `ca_path`, or use `ca_pins`",
      cause,
    });
  }
}

/** A token that cannot be read any more is no reason to give up an identity won with it. */
async function tokenHasChanged({ config, storage, log }: BotIdentityOptions): Promise<boolean> {
  const { onboarding } = config;
  if (!onboarding) return false;
  try {
    return !(await joinedWith(storage, await tokenOf(onboarding)));
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    log.warn("the join token cannot be read, using the stored identity", { found: error.message });
    return false;
  }
}

async function tokenOrExplain(
  { onboarding }: BotConfig,
  identity: IdentityFile | undefined,
): Promise<string> {
  if (onboarding) return await tokenOf(onboarding);
  const hint = "Create a token with `tctl bots add` or `tctl tokens add` and start tbot with it";
  if (identity) {
    const expiry = identityExpiry(identity).toISOString();
    throw new IdentityError(
      "CERTIFICATE_EXPIRED",
      `Cannot renew: the stored identity expired at ${expiry}, and no join token is configured`,
      { hint },
    );
  }
  throw new IdentityError(
    "CONFIG_INVALID",
    "Cannot join: no existing identity found on disk or join token configured",
    { hint },
  );
}

/** A token that did its work once is of no use when an identity has ended: what is needed is said. */
function endedFor(identity: IdentityFile, refused: unknown): unknown {
  if (!(refused instanceof IdentityError) || !SPENT_TOKEN.has(refused.code)) return refused;
  const expiry = identityExpiry(identity).toISOString();
  return new IdentityError(
    refused.code,
    `The bot's identity ended at ${expiry}, and its token joins no more (${refused.message}): make ` +
      "another with `tctl tokens add --type=bot --bot=NAME`, put it in onboarding.token, and reload",
    { hint: "A longer credential_ttl leaves more time to a machine that sleeps", cause: refused },
  );
}

const SPENT_TOKEN: ReadonlySet<string> = new Set<IdentityErrorCode>([
  "JOIN_REFUSED",
  "JOIN_TOKEN_EXPIRED",
  "JOIN_TOKEN_USED",
]);

/** A secret may be in a file; the name of a token is only a name. */
function tokenOf({ joinMethod, token }: Onboarding): Promise<string> {
  return joinMethod === "token" ? readToken(token) : Promise.resolve(token);
}

/** Runs what it is given one after the other. */
function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => {});
    return next;
  };
}
