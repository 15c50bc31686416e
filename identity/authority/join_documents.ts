/**
 * What the authority signs for machines that join by a bound keypair: challenges, which it need not
 * remember until they are used, and join states, which say which join of a token was the last one
 * that their holder has seen. One key, which nobody outside verifies with; the types keep them apart.
 */
import { randomBytes } from "node:crypto";
import type { JWTPayload, SignJWT } from "jose";
import { IdentityError } from "../error.ts";
import type { RecoveryMode } from "../join/mod.ts";
import { createSigningKey, type KeyPair } from "../keys.ts";
import type { Store } from "../storage/store.ts";
import type { Cluster } from "./cluster.ts";

const CHALLENGE_TYPE = "postern-join-challenge+jwt";
const STATE_TYPE = "postern-join-state+jwt";
const ALGORITHM = "EdDSA";

/** Seconds that a challenge is good for. */
export const CHALLENGE_SECONDS = 60;

export interface Challenge {
  readonly id: string;
  readonly expires: Date;
}

/** What a join state says: it is for its holder to show at its next join. */
export interface JoinState {
  /** The token, and which one of that name. */
  readonly token: string;
  readonly uid: string;
  readonly bot: string;
  readonly instance: string;
  readonly id: string;
  /** Which join of the token this was, from 1. */
  readonly sequence: number;
  /** Recoveries until then, and how many may be. */
  readonly recoveries: number;
  readonly limit: number;
  readonly mode: RecoveryMode;
  /** Fingerprint of the key that is bound since. */
  readonly key: string;
}

type Signer = Pick<Cluster, "clock" | "name" | "store">;

/** A challenge for one token, whether there is such a token or not. */
export async function signChallenge(cluster: Signer, token: string): Promise<string> {
  const { SignJWT } = await import("jose");
  const jwt = new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, typ: CHALLENGE_TYPE })
    .setSubject(token)
    .setJti(randomBytes(16).toString("hex"))
    .setExpirationTime(Math.floor(cluster.clock.now().getTime() / 1000) + CHALLENGE_SECONDS);
  return await sign(cluster, jwt);
}

/** Throws `JOIN_REFUSED` unless it is ours, for this token, and in time. */
export async function readChallenge(
  cluster: Signer,
  challenge: string,
  token: string,
): Promise<Challenge> {
  const { exp, jti } = await verify(cluster, challenge, {
    typ: CHALLENGE_TYPE,
    subject: token,
    requiredClaims: ["exp", "jti"],
  }).catch((cause: unknown) => {
    throw new IdentityError("JOIN_REFUSED", "Cannot join: the challenge is not valid any more", {
      hint: "Ask for a new one; each is for one token, one join and one minute",
      cause,
    });
  });
  return { id: String(jti), expires: new Date(Number(exp) * 1000) };
}

export async function signJoinState(cluster: Signer, state: JoinState): Promise<string> {
  const { SignJWT } = await import("jose");
  const { token, ...rest } = state;
  const jwt = new SignJWT({ ...rest })
    .setProtectedHeader({ alg: ALGORITHM, typ: STATE_TYPE })
    .setSubject(token)
    .setIssuedAt(cluster.clock.now());
  return await sign(cluster, jwt);
}

/** Throws `JOIN_REFUSED` unless we have signed it, for this token. */
export async function readJoinState(
  cluster: Signer,
  state: string,
  token: string,
): Promise<JoinState> {
  const payload = await verify(cluster, state, { typ: STATE_TYPE, subject: token })
    .catch((cause: unknown) => {
      throw new IdentityError("JOIN_REFUSED", "Cannot join: the join state is not of this token", {
        hint: "It is what tbot keeps in its storage; it cannot be taken from another machine",
        cause,
      });
    });
  // What we have signed has our shape.
  return { ...payload as unknown as JoinState, token };
}

async function sign(
  { name, store }: Signer,
  jwt: SignJWT,
): Promise<string> {
  const { importPKCS8 } = await import("jose");
  const { privateKey } = await joinKey(store);
  return await jwt.setIssuer(name).sign(await importPKCS8(privateKey, ALGORITHM));
}

async function verify(
  { clock, name, store }: Signer,
  document: string,
  demands: { typ: string; subject: string; requiredClaims?: string[] },
): Promise<JWTPayload> {
  const { importSPKI, jwtVerify } = await import("jose");
  const { publicKey } = await joinKey(store);
  const { payload } = await jwtVerify(document, await importSPKI(publicKey, ALGORITHM), {
    ...demands,
    issuer: name,
    algorithms: [ALGORITHM],
    currentDate: clock.now(),
  });
  return payload;
}

/** `ca/join`, made when it is first needed. */
async function joinKey(store: Store): Promise<KeyPair> {
  const item = await store.get<KeyPair>("ca", "join");
  return item?.value ?? await store.update(async (tx) => {
    const made = (await tx.get<KeyPair>("ca", "join"))?.value;
    if (made) return made;
    const key = createSigningKey();
    await tx.put("ca", "join", key);
    return key;
  });
}
