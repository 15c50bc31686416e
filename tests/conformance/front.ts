/**
 * MCP over HTTP in front of any stdio server, for suites that speak HTTP only. It carries messages
 * and nothing else: it answers none, asks none, and leaves none out. What it does of its own is
 * what HTTP asks of a server and stdio has no place for: sessions, streams, status codes, headers
 * that repeat the body, and no strangers' Host or Origin.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { localhostHostValidation, localhostOriginValidation } from "@modelcontextprotocol/node";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import { checkHeaders } from "./headers.ts";
import { LegacySession } from "./legacy_session.ts";
import { ModernPool } from "./modern_pool.ts";

export interface Front {
  readonly url: string;
  close(): Promise<void>;
}

/** So many stdio servers of the legacy era run at once. */
const MAX_SESSIONS = 4;

export async function startFront(command: readonly string[]): Promise<Front> {
  const sessions = new Map<string, LegacySession>();
  const pool = new ModernPool(command);
  const checks = [localhostHostValidation(), localhostOriginValidation()];
  const http = createServer((request, response) => {
    if (!checks.every((passes) => passes(request, response))) return;
    serve(request, response).catch((error) => response.destroy(error));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = request.method === "POST" ? await readJson(request) : undefined;
    const { headers } = request;
    const outcome = classifyInboundRequest({
      httpMethod: request.method ?? "GET",
      body,
      ...named("protocolVersionHeader", headers["mcp-protocol-version"]),
      ...named("mcpMethodHeader", headers["mcp-method"]),
      ...named("mcpNameHeader", headers["mcp-name"]),
    });
    const id = (body as { id?: unknown } | undefined)?.id;
    switch (outcome.kind) {
      case "reject":
        return refuse(response, outcome.httpStatus, id, outcome);
      case "legacy":
        return await serveLegacy(request, response, body);
      case "modern": {
        if (outcome.messageKind === "notification") return void response.writeHead(202).end();
        const { method, params } = outcome.message;
        const tool = method === "tools/call" ? String(params?.["name"]) : "";
        const wrong = checkHeaders(headers, { method, params }, pool.paramHeaders.get(tool));
        if (wrong !== undefined) return refuse(response, 400, id, wrong);
        return pool.serve(outcome.message, response);
      }
    }
  }

  async function serveLegacy(
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
  ): Promise<void> {
    const id = request.headers["mcp-session-id"];
    const known = typeof id === "string" ? sessions.get(id) : undefined;
    if (id !== undefined && known === undefined) return void response.writeHead(404).end();
    const session = known ?? new LegacySession({
      command,
      closesStream: "test_reconnection",
      onOpen: (opened, it) => {
        sessions.set(opened, it);
        // Few clients end their sessions; a server may.
        const [oldest] = sessions;
        if (sessions.size > MAX_SESSIONS && oldest !== undefined) {
          sessions.delete(oldest[0]);
          void oldest[1].close();
        }
      },
      onClosed: (closed) => void sessions.delete(closed),
    });
    if (known === undefined) await session.transport.start();
    await session.transport.handleRequest(request, response, body);
    // It was no initialize, and nobody can come back to it.
    if (known === undefined && session.transport.sessionId === undefined) await session.close();
  }

  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    close: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await Promise.all([pool.close(), ...[...sessions.values()].map((it) => it.close())]);
    },
  };
}

function named<Name extends string>(name: Name, value: string | string[] | undefined) {
  return typeof value === "string" ? { [name]: value } as Record<Name, string> : {};
}

function refuse(
  response: ServerResponse,
  status: number,
  id: unknown,
  { code, message, data }: { code: number; message: string; data?: unknown },
): void {
  const error = data === undefined ? { code, message } : { code, message, data };
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: id ?? null, error }));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
