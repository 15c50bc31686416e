// The smallest MCP server that a benchmark needs: it sends back what it is given, and lists as many
// tools as it is told to.
import process from "node:process";

const tools = Array.from({ length: Number(process.argv[2] ?? 1) }, (_, n) => ({
  name: n === 0 ? "echo" : `tool_${n}`,
  description: `Sends back what it is given, as number ${n} of its kind`,
  inputSchema: { type: "object", properties: { message: { type: "string" } } },
}));
const rest = [];
process.stdin.setEncoding("utf8").on("data", (chunk) => {
  rest.push(chunk);
  // Joined once only: a large message would cost its square.
  if (!chunk.includes("\n")) return;
  const lines = rest.splice(0).join("").split("\n");
  rest.push(lines.pop());
  let answers = "";
  for (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    if (id !== undefined) {
      answers += `${JSON.stringify({ jsonrpc: "2.0", id, result: answer(method, params) })}\n`;
    }
  }
  process.stdout.write(answers);
});
process.stdin.on("end", () => process.exit(0));

function answer(method, params) {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "echo", version: "1.0.0" },
      };
    case "tools/list":
      return { tools };
    default:
      return { content: [{ type: "text", text: params?.arguments?.message ?? "" }] };
  }
}
