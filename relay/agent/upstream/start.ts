import { appTransport, type Clock, serverUrl, systemClock } from "../../../identity/mod.ts";
import { RelayError } from "../../error.ts";
import { HTTP_LIMITS, type HttpLimits, httpLimits } from "./http/limits.ts";
import { startStdioServer, type StdioOptions } from "./stdio.ts";
import type { HeaderSource, Upstream, UpstreamHandlers } from "./upstream.ts";

export interface StartOptions extends StdioOptions {
  readonly clock?: Clock;
  /** What requests to a server over HTTP carry besides; nothing when absent. */
  readonly headers?: HeaderSource;
  readonly limits?: Partial<HttpLimits>;
  /** Certificates to trust in an HTTPS server, PEM, instead of the system's. */
  readonly ca?: readonly string[];
}

/** Starts the server of an app, or reaches it, as the scheme of its URI says. */
export async function startUpstream(
  options: StartOptions,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const { app } = options;
  const transport = appTransport(app.uri);
  switch (transport) {
    case "stdio":
      return await startStdioServer(options, handlers);
    case "streamable-http":
    case "sse": {
      const url = URL.parse(serverUrl(app.uri));
      if (url === null || url.hostname === "") break;
      const http = {
        clock: systemClock,
        headers: () => Promise.resolve([]),
        ...options,
        url,
        limits: {
          ...HTTP_LIMITS,
          ...(options.appLimits && httpLimits(options.appLimits)),
          ...options.limits,
        },
      };
      if (transport === "sse") {
        return await (await import("./http/sse.ts")).startSseServer(http, handlers);
      }
      return new (await import("./http/streamable.ts")).StreamableServer(http, handlers);
    }
  }
  throw new RelayError("CONFIG_INVALID", `Cannot reach app "${app.name}": its uri is none of MCP`, {
    hint: "Begin the uri with mcp+stdio, mcp+http, mcp+https, mcp+sse+http or mcp+sse+https",
  });
}
