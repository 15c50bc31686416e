import type { App } from "../../identity/mod.ts";

/** How the agent speaks to the server of an app. */
export type Transport = "stdio" | "http" | "sse";

/** Read from the app's URI. */
export function transportOf({ uri }: App): Transport {
  if (/^mcp\+sse\+https?:/.test(uri)) return "sse";
  return /^mcp\+https?:/.test(uri) ? "http" : "stdio";
}
