/** The client side of a session. It loads nothing heavy: an MCP client waits for its start. */
export { runBridge } from "./bridge.ts";
export { LineSplitter } from "../wire/line_splitter.ts";
export type { BridgeOptions, BridgeSettings } from "./options.ts";
