// A machine that joins by a bound keypair, as a value: a copy of it is a clone. It speaks to a real
// authority as tbot does, and a test may make it lie in any part of what it sends.
import assert from "node:assert/strict";
import type { KeypairJoin } from "../../identity/authority/api.ts";
import { createBoundKey, signProof } from "../../identity/join/mod.ts";
import { generateKeyPair, type KeyPair } from "../../identity/mod.ts";
import { readCertificate } from "../../identity/x509/mod.ts";
import type { BotClaims } from "../../identity/x509/claims.ts";
import { type Credentials, type RealAuthority, TTL } from "./real_authority.ts";

export interface Machine {
  readonly token: string;
  readonly boundKey: KeyPair;
  readonly nextKey?: KeyPair;
  readonly secret?: string;
  readonly state?: string;
  /** Its certificate, for as long as it has one that is good. */
  readonly credentials?: Credentials;
  /** The key of a request whose answer it has not got. */
  readonly pending?: KeyPair;
}

export function machine(token: string, rest: Partial<Machine> = {}): Machine {
  return { token, boundKey: createBoundKey(), ...rest };
}

export interface JoinedMachine extends Machine {
  readonly state: string;
  readonly credentials: Credentials;
  readonly claims: BotClaims;
  readonly recoveriesLeft: number | undefined;
}

/** The request that a machine would send, with a fresh challenge. */
export async function requestOf(
  authority: RealAuthority,
  { boundKey, credentials, nextKey, pending = generateKeyPair(), secret, state, token }: Machine,
): Promise<{ request: KeypairJoin; certificateKey: KeyPair }> {
  const client = authority.connect(credentials);
  const { challenge, cluster } = await client.challenge({ method: "bound_keypair", token });
  const { publicKey } = pending;
  const subject = { cluster, token, challenge, publicKey, state };
  const request: KeypairJoin = {
    method: "bound_keypair",
    token,
    publicKey,
    ttl: TTL,
    challenge,
    boundKey: boundKey.publicKey,
    proof: await signProof(boundKey, { ...subject, nextKey: nextKey?.publicKey }),
    ...(secret !== undefined && { secret }),
    ...(state !== undefined && { state }),
    ...(nextKey && {
      next: { boundKey: nextKey.publicKey, proof: await signProof(nextKey, subject) },
    }),
  };
  return { request, certificateKey: pending };
}

/** Joins; what it is afterwards. `lie` changes the request before it is sent. */
export async function joinAs(
  authority: RealAuthority,
  machine: Machine,
  lie: (request: KeypairJoin) => KeypairJoin = (request) => request,
): Promise<JoinedMachine> {
  const { certificateKey, request } = await requestOf(authority, machine);
  const issued = await authority.connect(machine.credentials).join(lie(request));
  const { claims } = readCertificate(issued.tls);
  assert.ok(claims.kind === "bot" && issued.keypair);
  const { boundKey, nextKey, pending: _, ...kept } = machine;
  const { keypair } = issued;
  const bound = [boundKey, ...(nextKey ? [nextKey] : [])].find((key) =>
    key.publicKey === keypair.boundKey
  );
  assert.ok(bound, "the key that is bound now is one of its own");
  return {
    ...kept,
    boundKey: bound,
    state: keypair.state,
    credentials: { certificate: issued.tls, key: certificateKey.privateKey },
    claims,
    recoveriesLeft: keypair.recoveriesLeft,
  };
}

/** The machine without its certificate: it has to recover. */
export function expired(machine: Machine): Machine {
  const { credentials: _, ...rest } = machine;
  return rest;
}
