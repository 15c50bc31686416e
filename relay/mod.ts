/**
 * Bytes between identities, under policy. Only what is light to load is here; the agent, the
 * public port and the gate have doors of their own in their folders.
 */
export { type BridgeOptions, type BridgeSettings, runBridge } from "./bridge/mod.ts";
export { RelayError, type RelayErrorCode } from "./error.ts";
