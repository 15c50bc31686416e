/** `auth_service.key_encryption` of `teleport.yaml`, which the original does not have. */
import { z } from "zod";
import { secretSource } from "../../identity/config/mod.ts";
import type { ValueSource } from "../../identity/mod.ts";

/** Where the keys are found that private keys of the cluster are encrypted with. */
export interface KeyEncryption {
  readonly key: ValueSource;
  /** Of before: what they have encrypted is read, and encrypted anew. */
  readonly previous: readonly ValueSource[];
}

export const keyEncryptionSchema = z.strictObject({
  key: secretSource,
  previous_keys: z.array(secretSource).max(16).default([]),
}).transform(({ key, previous_keys: previous }): KeyEncryption => ({ key, previous }));
