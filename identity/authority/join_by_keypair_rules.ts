/**
 * Who may join by a bound keypair, as a question to facts alone: signatures were verified before, and
 * what is answered is written after, in one transaction with the reading of what is judged by.
 */
import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import type { IdentityErrorCode } from "../error.ts";
import type { KeypairRules } from "../join/mod.ts";
import { publicKeyFingerprint } from "../keys.ts";
import type { InstanceItem, KeypairItem } from "./cluster.ts";
import type { JoinState } from "./join_documents.ts";

export interface Attempt {
  readonly now: Date;
  /** Of the store. */
  readonly epoch: string;
  /** SPKI PEM of the key that has signed. */
  readonly key: string;
  /** The one that shall be bound instead, which has signed as well. */
  readonly nextKey: string | undefined;
  readonly secret: string | undefined;
  /** Signed by the cluster, for this token. */
  readonly state: JoinState | undefined;
  /** Fingerprint of the key that a certificate is asked for. */
  readonly certificateKey: string;
  /** What a certificate that is still good says, and the instance of this token that it is of. */
  readonly member: Member | undefined;
}

export interface Member {
  readonly instance: string;
  readonly generation: number;
  /** As stored; absent if the store has not heard of it, which is so after a restore only. */
  readonly stored: InstanceItem | undefined;
}

export type Verdict =
  | Refusal
  /** Two machines hold the same: the token is to be locked. */
  | { readonly kind: "cloned"; readonly found: string }
  /** It has to come again with a new key. */
  | { readonly kind: "rotate" }
  /** The answer to the last join was lost. */
  | { readonly kind: "repeat" }
  | Admission;

export interface Refusal {
  readonly kind: "refused";
  readonly code: IdentityErrorCode;
  readonly found: string;
  readonly hint: string;
}

export interface Admission {
  readonly kind: "admitted";
  /** The instance that it goes on as; a new one without it. */
  readonly member: Member | undefined;
  readonly rotated: boolean;
  /** The join state was ahead of the store. */
  readonly adopted: boolean;
  /** What is to be stored, but for the instance. */
  readonly next: KeypairItem;
}

/** Judges an attempt by what its token asks, and by what has become of the token. */
export function judgeKeypair(rules: KeypairRules, item: KeypairItem, attempt: Attempt): Verdict {
  const { epoch } = attempt;
  // One of an earlier token of this name says nothing.
  const state = attempt.state?.uid === item.uid ? attempt.state : undefined;
  const shown = state?.sequence ?? 0;
  const lenient = rules.recovery.mode === "insecure";
  const rebound = rules.initialKey !== undefined && rules.initialKey !== item.initialKey;
  const vouched = keyOfState(state, attempt);
  // Only after the store went back in time, and once in each epoch: the signature vouches for it.
  const adopted = vouched !== undefined && shown > item.sequence && item.adopted !== epoch &&
    !(rebound && item.boundKey !== undefined);
  const bound = adopted ? known(vouched) : boundKey(rules, item, { ...attempt, state }, rebound);
  if (bound.kind !== "bound") return bound;
  const { first, key, registered } = bound;
  if (item.certificateKey === attempt.certificateKey && item.seen === state?.id && !first) {
    return { kind: "repeat" };
  }
  if (!lenient && !first && !adopted) {
    if (state === undefined) {
      return refused(
        "it shows no join state, and this key has joined before",
        "If its storage was lost, set spec.bound_keypair.recovery.mode of the token to insecure " +
          "until it has joined",
      );
    }
    if (state.id !== item.state) {
      return {
        kind: "cloned",
        found: `its join state is ${shown}, and ${item.sequence} was given`,
      };
    }
  }
  const member = continued(item, { ...attempt, state }, { adopted, lenient });
  if (member === "stale") {
    return { kind: "cloned", found: "its certificate is older than its join state" };
  }
  const before = adopted ? Math.max(item.recoveries, state?.recoveries ?? 0) : item.recoveries;
  const { limit, mode } = rules.recovery;
  if (member === undefined && mode === "standard" && before >= limit) {
    return refused(
      `the recovery limit of its token is reached: ${before} of ${limit} are used`,
      "Look after the machine, then raise spec.bound_keypair.recovery.limit of the token",
    );
  }
  const { now, nextKey } = attempt;
  const due = !registered && !adopted && rotationDue(rules, item, now);
  const rotated = due && nextKey !== undefined && nextKey !== key;
  if (due && !rotated) return { kind: "rotate" };
  if (rotated && nextKey === item.previousKey) {
    return refused("a key comes back that was rotated away", "Let tbot make a new one");
  }
  const time = now.toISOString();
  const { previousKey, secret, secretEpoch, seen: _, ...kept } = item;
  const unspent = registered ? {} : {
    ...(secret !== undefined && { secret }),
    ...(secretEpoch !== undefined && { secretEpoch }),
  };
  const former = rotated ? key : first || adopted ? undefined : previousKey;
  return {
    kind: "admitted",
    member,
    rotated,
    adopted,
    next: {
      ...kept,
      ...unspent,
      ...(registered && { spentSecret: hash(attempt.secret ?? "") }),
      ...(rules.initialKey !== undefined && { initialKey: rules.initialKey }),
      ...(former !== undefined && { previousKey: former }),
      boundKey: rotated ? nextKey : key,
      ...((registered || rotated) && { keyedAt: time }),
      ...(rotated && { rotatedAt: time }),
      ...(member === undefined
        ? { recoveries: before + 1, recoveredAt: time }
        : { recoveries: before }),
      sequence: Math.max(item.sequence, adopted ? shown : 0) + 1,
      state: randomUUID(),
      ...(state && { seen: state.id }),
      certificateKey: attempt.certificateKey,
      ...(adopted && { adopted: epoch }),
    },
  };
}

interface Bound {
  readonly kind: "bound";
  /** The one of the two that is bound, or is bound by this join. */
  readonly key: string;
  /** Nobody has joined with it before. */
  readonly first: boolean;
  /** By the secret. */
  readonly registered: boolean;
}

function known(key: string): Bound {
  return { kind: "bound", key, first: false, registered: false };
}

/** The key that was bound when the join state was signed, if it is one of those that have signed. */
function keyOfState(
  state: JoinState | undefined,
  { key, nextKey }: Pick<Attempt, "key" | "nextKey">,
): string | undefined {
  return [nextKey, key].find((each) =>
    each !== undefined && publicKeyFingerprint(each) === state?.key
  );
}

function boundKey(
  rules: KeypairRules,
  item: KeypairItem,
  { epoch, key, nextKey, now, secret, state }: Attempt,
  rebound: boolean,
): Bound | Refusal | { readonly kind: "cloned"; readonly found: string } {
  if (rebound) {
    if (key === rules.initialKey) return { ...known(key), first: true };
    return refused(
      "its key is not the one that is registered with the token",
      "Compare initial_public_key of the token with what `tbot keypair create` prints",
    );
  }
  if (item.boundKey === undefined) {
    const wrong = registrationProblem(rules, item, { epoch, now, secret });
    return wrong ?? { kind: "bound", key, first: true, registered: true };
  }
  // Both: then the answer to a rotation was lost.
  if (nextKey === item.boundKey) return known(nextKey);
  if (key === item.boundKey) return known(key);
  if (key === item.previousKey && state && rules.recovery.mode !== "insecure") {
    return { kind: "cloned", found: "its key was rotated away, by somebody who had it as well" };
  }
  if (secret !== undefined && item.spentSecret !== undefined && equal(secret, item.spentSecret)) {
    return refused(
      "somebody has registered with this secret already",
      "If it was not you, lock the token and remove it: `tctl lock --join-token`. Otherwise bring " +
        "back the key of before, or make a new token",
      "JOIN_TOKEN_USED",
    );
  }
  return refused("its key is not the one that is bound to the token", REGISTER);
}

/** What a registration lacks. */
function registrationProblem(
  { mustRegisterBefore }: KeypairRules,
  item: KeypairItem,
  { epoch, now, secret }: Pick<Attempt, "epoch" | "now" | "secret">,
): Refusal | undefined {
  if (secret === undefined) {
    return refused(
      "no key is bound to its token yet, and it shows no registration secret",
      REGISTER,
    );
  }
  if (item.secret === undefined || item.secretEpoch !== epoch) {
    return refused(
      "the registration secret is void since the store was restored",
      "Write another registration_secret into the token, and into tbot's configuration",
    );
  }
  if (!equal(secret, hash(item.secret))) {
    return refused("this is not the registration secret of the token", REGISTER);
  }
  if (mustRegisterBefore !== undefined && now >= new Date(mustRegisterBefore)) {
    return refused(
      `the token was to be registered before ${mustRegisterBefore}`,
      "Set a later spec.bound_keypair.onboarding.must_register_before",
      "JOIN_TOKEN_EXPIRED",
    );
  }
  return undefined;
}

/** The instance that goes on by its certificate, if there is one. */
function continued(
  item: KeypairItem,
  { certificateKey, member, state }: Attempt,
  { adopted, lenient }: { readonly adopted: boolean; readonly lenient: boolean },
): Member | "stale" | undefined {
  if (member === undefined) return undefined;
  const { generation, instance, stored } = member;
  // What the join state vouches for, the certificate of the same moment may say.
  if (adopted) {
    const vouched = stored ? generation >= stored.generation : state?.instance === instance;
    return vouched ? member : undefined;
  }
  if (stored === undefined) return undefined;
  // The answer to its last join was lost: the same comes again.
  if (generation === stored.generation - 1 && certificateKey === stored.key) return member;
  if (generation === stored.generation) {
    return lenient || instance === item.instance ? member : undefined;
  }
  // Whoever has the key may join anyway: it is another machine then, and no alarm.
  return lenient ? undefined : "stale";
}

/** Whether the key is older than it may be. */
function rotationDue({ rotateAfter }: KeypairRules, { keyedAt }: KeypairItem, now: Date): boolean {
  if (rotateAfter === undefined) return false;
  const due = new Date(rotateAfter);
  return now >= due && (keyedAt === undefined || new Date(keyedAt) < due);
}

const REGISTER = "Give tbot the token's registration secret, or register the key that tbot has: " +
  "`tbot keypair create` prints it";

function refused(found: string, hint: string, code: IdentityErrorCode = "JOIN_REFUSED"): Refusal {
  return { kind: "refused", code, found, hint };
}

function hash(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

// Constant time: a secret must not leak one byte at a time.
function equal(secret: string, hashed: string): boolean {
  return timingSafeEqual(new TextEncoder().encode(hash(secret)), new TextEncoder().encode(hashed));
}
