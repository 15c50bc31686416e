/** The MCP server of one session, with what the app's configuration promises it about the caller. */
import { effectivePrincipal } from "../../identity/access/mod.ts";
import {
  type App,
  appTransport,
  type Clock,
  type ClusterView,
  DEMO_APP,
  type Log,
  type SignAppToken,
} from "../../identity/mod.ts";
import type { Admission } from "./admission.ts";
import type { Reaper } from "./reaper.ts";
import { headerSource } from "./upstream/headers.ts";
import { startUpstream } from "./upstream/start.ts";
import type { Upstream, UpstreamHandlers } from "./upstream/upstream.ts";
import type { Values } from "./values/values.ts";

export interface SessionServerOptions {
  /** The app in full: the view knows what was presented only. */
  readonly app: App;
  readonly admission: Admission;
  readonly view: ClusterView;
  readonly signAppToken: SignAppToken | undefined;
  readonly values: Values;
  readonly reaper: Reaper | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Starts or connects the server; rejects before anything was sent when a promise cannot be kept. */
export async function startSessionServer(
  options: SessionServerOptions,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const { app, admission: { claims, certificate }, view } = options;
  const principal = () => effectivePrincipal(view, claims);
  if (app.uri === DEMO_APP.uri && app.mcp === undefined) {
    // Loaded for those who want it: it brings the MCP SDK along.
    const { startDemoServer } = await import("./demo/demo_upstream.ts");
    return startDemoServer({ app, cluster: view.cluster, principal }, handlers);
  }
  if (appTransport(app.uri) === "stdio") return startUpstream(options, handlers);
  const headers = headerSource({
    ...options,
    principal,
    notAfter: certificate.notAfter,
  });
  await headers();
  return startUpstream({ ...options, headers }, handlers);
}
