/** Proof of who a machine is, by tokens of whom it runs at, or by a key of its own. */
export {
  algorithmOf,
  type BoundKeyAlgorithm,
  createBoundKey,
  normalizeBoundKey,
  parseBoundKey,
} from "./bound_key.ts";
export type { Claims } from "./conditions.ts";
export { type Proof, proveIdToken } from "./id_token.ts";
export { IssuerKeys } from "./issuer_keys.ts";
export { type ProofSubject, signProof, verifyProof } from "./keypair_proof.ts";
export {
  KEYPAIR_METHOD,
  type KeypairRules,
  keypairSection,
  RECOVERY_MODES,
  type RecoveryMode,
  writeKeypairSection,
} from "./keypair_section.ts";
export {
  ID_TOKEN_METHODS,
  type IdTokenMethod,
  METHODS,
  type TokenRules,
  unsupportedMethod,
} from "./methods.ts";
