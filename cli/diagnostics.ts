/**
 * What a program tells those who watch over it, as plain HTTP on an address of its own: whether it
 * lives, whether it is ready, and its metrics. There is nothing secret in it, but it belongs on
 * loopback or behind a firewall all the same.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Registry } from "prom-client";
import type { ServiceStatus } from "../identity/bot/mod.ts";
import { IdentityError } from "../identity/mod.ts";
import { processMetrics } from "./_process_metrics.ts";

export { Registry };

export interface Diagnostics {
  /** How each service of the program fares; the program is ready when all are healthy. */
  readonly services: () => Readonly<Record<string, ServiceStatus>>;
  /** The metrics; those of the process itself are added. */
  readonly registry: Registry;
}

export interface DiagnosticsServer {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Serves `/livez`, `/readyz`, `/readyz/<service>` and `/metrics`; rejects with `CONFIG_INVALID` if
 * it cannot listen.
 */
export async function serveDiagnostics(
  { host, port }: { readonly host: string; readonly port: number },
  diagnostics: Diagnostics,
): Promise<DiagnosticsServer> {
  processMetrics(diagnostics.registry);
  const limits = { requestTimeout: 10_000, maxHeaderSize: 8 * 1024 };
  const server = createServer(limits, async ({ headers, method, socket, url = "" }, response) => {
    const { status, type, body } = isLoopback(socket.localAddress) && !namesLoopback(headers.host)
      ? json(403, { error: "On loopback, only requests for localhost are served" })
      : method === "GET" || method === "HEAD"
      ? await answer(url.split("?")[0] ?? "", diagnostics)
      : json(405, { error: "Only GET is served here" });
    response.writeHead(status, { "content-type": type, "connection": "close" }).end(body);
  });
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

function isLoopback(address: string | undefined): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./.test(address ?? "");
}

/**
 * Whether the Host header is this machine. A page can bring a name of its own to mean loopback (DNS
 * rebinding); its browser then asks here with that name.
 */
function namesLoopback(host: string | undefined): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host ?? "");
}

async function answer(path: string, diagnostics: Diagnostics): Promise<Answer> {
  if (path === "/livez" || path === "/healthz") return json(200, { status: "ok" });
  if (path === "/metrics") {
    try {
      const { registry } = diagnostics;
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    } catch {
      return json(500, { error: "The metrics could not be collected" });
    }
  }
  const services = diagnostics.services();
  if (path === "/readyz") {
    const healthy = Object.values(services).every(({ status }) => status === "healthy");
    return json(healthy ? 200 : 503, { status: healthy ? "healthy" : "unhealthy", services });
  }
  const name = /^\/readyz\/([^/]+)$/.exec(path)?.[1];
  if (name !== undefined) {
    const service = Object.hasOwn(services, name) ? services[name] : undefined;
    if (service === undefined) return json(404, { error: "There is no service of this name" });
    return json(service.status === "healthy" ? 200 : 503, service);
  }
  return json(404, { error: "Served here: /livez, /readyz, /readyz/<service>, /metrics" });
}

function json(status: number, body: unknown): Answer {
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}
