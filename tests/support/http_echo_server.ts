// An MCP server over HTTP that remembers how it was asked.
import { Buffer } from "node:buffer";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "./harness.ts";

export interface HttpEchoServer {
  readonly url: string;
  /** The headers of each request, in their order. */
  readonly asked: { readonly method: string; readonly headers: IncomingHttpHeaders }[];
}

/** Serves one tool, `echo`, on loopback, without sessions and streams. */
export async function startHttpEchoServer({ cleanup }: TestContext): Promise<HttpEchoServer> {
  const asked: HttpEchoServer["asked"] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.on("end", () => {
      if (request.method !== "POST") return void response.writeHead(405).end();
      const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString());
      asked.push({ method, headers: request.headers });
      if (id === undefined) return void response.writeHead(202).end();
      const answer = { jsonrpc: "2.0", id, ...answerTo(method, params) };
      response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, asked };
}

// deno-lint-ignore no-explicit-any
function answerTo(method: string, params: any): object {
  switch (method) {
    case "initialize":
      return {
        result: {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: "http-fixture", version: "1" },
        },
      };
    case "tools/list":
      return { result: { tools: [{ name: "echo", inputSchema: { type: "object" } }] } };
    case "tools/call":
      return { result: { content: [{ type: "text", text: `Echo: ${params.arguments.message}` }] } };
    default:
      return { error: { code: -32601, message: "Method not found" } };
  }
}
