/**
 * The keys of issuers: found by discovery (OpenID Connect Discovery 1.0 §4), kept while they are
 * fresh, asked for again when a token names one that is not known. What an issuer answers has
 * limits in size and time, and redirects are not followed.
 */
import type { JWTVerifyGetKey } from "jose";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import { fetchJson } from "../fetch_json.ts";
import { isIssuer } from "./methods.ts";

const MAX_BYTES = 512 * 1024;
const TIMEOUT_MS = 5_000;
/** How long keys are used unasked, and the least time between two questions. */
const FRESH_MS = 10 * 60_000;
const COOLDOWN_MS = 10_000;
/** Issuers that are remembered. */
const MAX_ISSUERS = 256;

interface Known {
  readonly getKey: JWTVerifyGetKey;
  readonly asked: number;
}

export class IssuerKeys {
  readonly #clock: Clock;
  readonly #cooldownMs: number;
  readonly #known = new Map<string, Promise<Known>>();

  /** `cooldownMs`: the least time between two questions for keys that are not known. */
  constructor(clock: Clock, { cooldownMs = COOLDOWN_MS }: { cooldownMs?: number } = {}) {
    this.#clock = clock;
    this.#cooldownMs = cooldownMs;
  }

  /** The keys of an issuer; rejects with `UNAVAILABLE` when it cannot be asked. */
  async of(issuer: string): Promise<JWTVerifyGetKey> {
    const known = await this.#known.get(issuer)?.catch(() => undefined);
    if (known && this.#clock.monotonic() - known.asked < FRESH_MS) return known.getKey;
    const asking = this.#ask(issuer);
    if (this.#known.size >= MAX_ISSUERS) this.#known.clear();
    this.#known.set(issuer, asking);
    asking.catch(() => this.#known.get(issuer) === asking && this.#known.delete(issuer));
    return (await asking).getKey;
  }

  async #ask(issuer: string): Promise<Known> {
    const { createRemoteJWKSet, customFetch } = await import("jose");
    const base = issuer.replace(/\/$/, "");
    const found = await askJson(`${base}/.well-known/openid-configuration`, issuer);
    const { issuer: named, jwks_uri } = found as { issuer?: unknown; jwks_uri?: unknown };
    if (named !== issuer) throw unavailable(issuer, "its configuration is of another issuer");
    if (typeof jwks_uri !== "string" || !isIssuer(jwks_uri.split("?")[0]!)) {
      throw unavailable(issuer, "its configuration names no keys that can be had safely");
    }
    const getKey = createRemoteJWKSet(new URL(jwks_uri), {
      cacheMaxAge: FRESH_MS,
      cooldownDuration: this.#cooldownMs,
      timeoutDuration: TIMEOUT_MS,
      [customFetch]: async (url: string) => Response.json(await askJson(url, issuer)),
    });
    return { getKey, asked: this.#clock.monotonic() };
  }
}

async function askJson(url: string, issuer: string): Promise<unknown> {
  try {
    return await fetchJson(url, { timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
  } catch (cause) {
    throw unavailable(issuer, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unavailable(issuer: string, found: string, cause?: unknown): IdentityError {
  return new IdentityError("UNAVAILABLE", `Cannot have the keys of issuer ${issuer}: ${found}`, {
    hint: "Check that the authority can reach it, or write its keys into static_jwks",
    cause,
  });
}
