/** Proof of who a machine is, by tokens of whom it runs at. */
export type { Claims } from "./conditions.ts";
export { type Proof, proveIdToken } from "./id_token.ts";
export { IssuerKeys } from "./issuer_keys.ts";
export {
  ID_TOKEN_METHODS,
  type IdTokenMethod,
  METHODS,
  type TokenRules,
  unsupportedMethod,
} from "./methods.ts";
