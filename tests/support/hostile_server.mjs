// An MCP server that misbehaves as its tools are named.
import { once } from "node:events";
import process from "node:process";

/** Calls that wait until the client says that its roots have changed. */
const held = [];
const eaten = [];
let rest = "";
process.stdin.setEncoding("latin1").on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const line of lines) take(JSON.parse(line));
});

function take({ id, method, params }) {
  if (method === "notifications/roots/list_changed") {
    for (const each of held.splice(0)) answer(each);
  } else if (method === "ping") {
    write({ id, result: {} });
  } else if (method === "tools/call") {
    void call(id, params.name, params.arguments ?? {}, params._meta?.progressToken);
  }
}

async function call(id, name, { count = 0, size = 0 }, progressToken) {
  switch (name) {
    case "hold":
      return held.push(id);
    case "stubborn":
      // Neither the end of its input nor SIGTERM ends it any more.
      process.on("SIGTERM", () => {});
      setInterval(() => {}, 60_000);
      return answer(id);
    case "eat":
      for (let i = 0; i < count; i++) {
        eaten.push(Buffer.alloc(size, 1));
        await new Promise(setImmediate);
      }
      return;
    case "half":
      return process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[`);
    case "strange":
      for (let i = 0; i < count; i++) write({ id: `never-${i}`, result: {} });
      return answer(id);
    case "flood": {
      const message = "x".repeat(size);
      for (let progress = 1; progress <= count; progress++) {
        const params = { progressToken, progress, message };
        if (!write({ method: "notifications/progress", params })) {
          await once(process.stdout, "drain");
        }
      }
      return answer(id);
    }
    default:
      return answer(id);
  }
}

function answer(id) {
  write({ id, result: { content: [{ type: "text", text: "done" }] } });
}

function write(message) {
  return process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
}
