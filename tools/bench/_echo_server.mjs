// The smallest MCP server that a benchmark needs: it sends back what it is given.
import process from "node:process";

let rest = "";
process.stdin.setEncoding("utf8").on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
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
      return { tools: [{ name: "echo", inputSchema: { type: "object" } }] };
    default:
      return { content: [{ type: "text", text: params?.arguments?.message ?? "" }] };
  }
}
