// A small MCP server for tests. It speaks JSON-RPC over stdio and does what its tools are named.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import process from "node:process";

const [mode, argument] = process.argv.slice(2);

if (mode === "exit") process.exit(Number(argument));
if (mode === "stubborn") {
  // Ignores the end of stdin and SIGTERM, and leaves a child behind.
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1000);
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  send({
    jsonrpc: "2.0",
    method: "notifications/message",
    params: { data: { pids: [process.pid, child.pid] } },
  });
}

const eaten = [];
let buffered = Buffer.alloc(0);
let chunks = [];
process.stdin.on("data", (chunk) => {
  let start = 0;
  for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
    chunks.push(chunk.subarray(start, end));
    buffered = Buffer.concat(chunks);
    chunks = [];
    start = end + 1;
    answer(JSON.parse(buffered.toString()));
  }
  if (start < chunk.length) chunks.push(chunk.subarray(start));
});

function answer({ id, method, params }) {
  if (id === undefined) return;
  switch (method) {
    case "initialize":
      return result(id, {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: "fixture", version: "1" },
      });
    case "ping":
      return result(id, {});
    case "subscriptions/listen":
      return;
    case "tools/list":
      return result(id, {
        tools: ["echo", "env", "die", "hang", "flood", "huge"].map((name) => ({
          name,
          inputSchema: { type: "object" },
        })),
      });
    case "tools/call":
      return params.name === "params"
        ? text(id, JSON.stringify(params))
        : call(id, params.name, params.arguments ?? {});
    default:
      return send({ jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } });
  }
}

function call(id, name, args) {
  switch (name) {
    case "echo":
      return text(id, args.text);
    case "env":
      return text(id, JSON.stringify({ env: process.env, pid: process.pid, cwd: process.cwd() }));
    case "eat":
      eaten.push(Buffer.alloc(args.mib * 1024 * 1024, 1));
      return text(id, "eaten");
    case "breed":
      for (let i = 0; i < args.count; i++) spawn("sleep", ["600"], { stdio: "ignore" });
      return text(id, "bred");
    case "burn":
      for (;;);
    case "files":
      try {
        for (;;) openSync("/dev/null", "r");
      } catch ({ code }) {
        return text(id, code);
      }
    // falls through: the lines above always return
    case "die":
      process.stderr.write("dying as asked\n");
      return process.exit(args.code ?? 7);
    case "hang":
      return;
    case "flood":
      for (let i = 0; i < args.count; i++) {
        send({
          jsonrpc: "2.0",
          method: "notifications/message",
          params: { data: "x".repeat(args.size) },
        });
      }
      return text(id, "done");
    case "huge":
      return text(id, "h".repeat(args.size));
    default:
      return send({ jsonrpc: "2.0", id, error: { code: -32602, message: `Unknown tool ${name}` } });
  }
}

function text(id, value) {
  result(id, { content: [{ type: "text", text: value }] });
}

function result(id, value) {
  send({ jsonrpc: "2.0", id, result: value });
}

function send(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}
