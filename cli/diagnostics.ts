/**
 * What a program tells those who watch over it, as plain HTTP on an address of its own: whether it
 * lives, whether it is ready, and its metrics. There is nothing secret in it, but it belongs on
 * loopback or behind a firewall all the same.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { IdentityError } from "../identity/mod.ts";

export interface Diagnostics {
  /** What keeps the program from its work, by the name of the part; nothing when it is ready. */
  readonly problems: () => Readonly<Record<string, string>>;
  /** The metrics in Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  readonly metricsType: string;
}

export interface DiagnosticsServer {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

/** Serves `/livez`, `/healthz`, `/readyz` and `/metrics`; rejects with `CONFIG_INVALID` if it cannot listen. */
export async function serveDiagnostics(
  { host, port }: { readonly host: string; readonly port: number },
  { problems, metrics, metricsType }: Diagnostics,
): Promise<DiagnosticsServer> {
  const server = createServer(
    { requestTimeout: 10_000, maxHeaderSize: 8 * 1024 },
    (request, response) => {
      const answer = (status: number, type: string, body: string) => {
        response.writeHead(status, { "content-type": type, "connection": "close" }).end(body);
      };
      const json = (status: number, body: unknown) =>
        answer(status, "application/json", `${JSON.stringify(body)}\n`);
      if (request.method !== "GET" && request.method !== "HEAD") {
        return json(405, { error: "Only GET is served here" });
      }
      switch (request.url?.split("?")[0]) {
        case "/livez":
        case "/healthz":
          return json(200, { status: "ok" });
        case "/readyz": {
          const found = problems();
          return Object.keys(found).length === 0
            ? json(200, { status: "ok" })
            : json(503, { status: "not ready", problems: found });
        }
        case "/metrics":
          return void metrics().then(
            (text) => answer(200, metricsType, text),
            () => json(500, { error: "The metrics could not be collected" }),
          );
        default:
          return json(404, { error: "Served here: /livez, /readyz, /metrics" });
      }
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new IdentityError(
          "CONFIG_INVALID",
          `Cannot serve diagnostics on ${host}:${port}: ${cause.code ?? cause.message}`,
          { hint: "Give another address as diag_addr, or stop what listens there", cause },
        ),
      ));
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    address: { host: address.address, port: address.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
