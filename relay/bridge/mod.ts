/** The client side of a session. It loads nothing heavy: an MCP client waits for its start. */
export { type BridgeOptions, type BridgeSettings, runBridge } from "./bridge.ts";
