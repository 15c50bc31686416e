/** The MCP server of one session, with what the app's configuration promises it about the caller. */
import {
  type App,
  type AppLimits,
  appTransport,
  type Clock,
  DEMO_APP,
  type Log,
  type Principal,
  type SignAppToken,
} from "../../identity/mod.ts";
import type { Reaper } from "./reaper.ts";
import { headerSource } from "./upstream/headers.ts";
import { startUpstream } from "./upstream/start.ts";
import type { ServerWatch } from "./upstream/server_watch.ts";
import type { Upstream, UpstreamHandlers } from "./upstream/upstream.ts";
import type { Values } from "./values/values.ts";

export interface SessionServerOptions {
  /** The app in full: the view knows what was presented only. */
  readonly app: App;
  readonly cluster: string;
  /** Who the caller is now. */
  readonly principal: () => Principal;
  /** The end of the caller's certificate. */
  readonly notAfter: () => Date;
  readonly signAppToken: SignAppToken | undefined;
  readonly values: Values;
  readonly reaper: Reaper | undefined;
  readonly watch: ServerWatch;
  readonly appLimits: AppLimits;
  readonly clock: Clock;
  readonly log: Log;
}

/** Starts or connects the server; rejects before anything was sent when a promise cannot be kept. */
export async function startSessionServer(
  options: SessionServerOptions,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const { app, cluster, principal } = options;
  if (app.uri === DEMO_APP.uri && app.mcp === undefined) {
    // Loaded for those who want it: it brings the MCP SDK along.
    const { startDemoServer } = await import("./demo/demo_upstream.ts");
    return startDemoServer({ app, cluster, principal }, handlers);
  }
  if (appTransport(app.uri) === "stdio") return startUpstream(options, handlers);
  const headers = headerSource(options);
  await headers();
  return startUpstream({ ...options, headers }, handlers);
}
