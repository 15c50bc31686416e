/** The section `bound_keypair` of a join token, in the original's words, and what is kept of it. */
import * as z from "zod";
import { fromAuthorizedKey, toAuthorizedKey } from "../ssh/mod.ts";

export const KEYPAIR_METHOD = "bound_keypair";

/**
 * `standard`: the limit counts, and so does the join state. `relaxed`: any number of recoveries.
 * `insecure`: the join state does not count either, so that whoever has the key may join.
 */
export const RECOVERY_MODES = ["standard", "relaxed", "insecure"] as const;
export type RecoveryMode = typeof RECOVERY_MODES[number];

/** What an administrator wants of a token; secrets are kept apart. */
export interface KeypairRules {
  /** SPKI PEM of a key that was registered beforehand. */
  readonly initialKey?: string;
  /** RFC 3339: registering by the secret ends. */
  readonly mustRegisterBefore?: string;
  readonly recovery: { readonly limit: number; readonly mode: RecoveryMode };
  /** RFC 3339: a key that is older has to be replaced at the next join. */
  readonly rotateAfter?: string;
}

/** Shorter ones could be guessed. */
const MIN_SECRET_CHARS = 16;

const optionalText = z.string().max(1024).optional()
  // As `tctl get` of the original writes what is not set.
  .transform((text) => text === "" ? undefined : text);

const time = optionalText.pipe(
  z.iso.datetime({ offset: true, error: "write a time such as 2030-01-31T12:00:00Z" }).optional(),
);

const publicKey = optionalText.transform((line, context) => {
  if (line === undefined) return undefined;
  try {
    return fromAuthorizedKey(line);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

export const keypairSection = z.strictObject({
  onboarding: z.strictObject({
    initial_public_key: publicKey,
    registration_secret: optionalText.pipe(
      z.string()
        .min(MIN_SECRET_CHARS, `a registration secret has at least ${MIN_SECRET_CHARS} characters`)
        .optional(),
    ),
    must_register_before: time,
  }).prefault({}),
  recovery: z.strictObject({
    limit: z.int().min(0, "a limit is 0 or more").max(1_000_000).default(1),
    mode: z.enum(RECOVERY_MODES, `a mode is one of ${RECOVERY_MODES.join(", ")}`)
      .default("standard"),
  }).prefault({}),
  rotate_after: time,
}).transform(({ onboarding, recovery, rotate_after: rotateAfter }) => {
  const { initial_public_key: initialKey, must_register_before, registration_secret } = onboarding;
  const rules: KeypairRules = {
    ...(initialKey !== undefined && { initialKey }),
    ...(must_register_before !== undefined && { mustRegisterBefore: must_register_before }),
    recovery,
    ...(rotateAfter !== undefined && { rotateAfter }),
  };
  // A key that is registered beforehand is in the place of a secret, as in the original.
  return { rules, secret: initialKey === undefined ? registration_secret : undefined };
});

/** The section as its author would write it, without secrets. */
export function writeKeypairSection(
  { initialKey, mustRegisterBefore, recovery, rotateAfter }: KeypairRules,
): object {
  const onboarding = {
    ...(initialKey !== undefined && { initial_public_key: toAuthorizedKey(initialKey) }),
    ...(mustRegisterBefore !== undefined && { must_register_before: mustRegisterBefore }),
  };
  return {
    ...(Object.keys(onboarding).length > 0 && { onboarding }),
    recovery,
    ...(rotateAfter !== undefined && { rotate_after: rotateAfter }),
  };
}
