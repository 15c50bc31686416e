// A small MCP server whose every call has an effect: a line in the file that it is given. It tells
// progress before it answers, and asks its client something before every third answer.
import { appendFileSync, existsSync } from "node:fs";
import process from "node:process";
import readline from "node:readline";

const [effects, version = "1"] = process.argv.slice(2);
const asked = new Map();
let questions = 0;
let level = "none";

// Messages of this server are ASCII, and so are those of the tests that use it.
readline.createInterface({ input: process.stdin }).on("line", (line) => take(JSON.parse(line)));

function take({ id, method, params, result }) {
  if (method === undefined) return asked.get(id)?.(result);
  if (method === "notifications/initialized" && version === "fragile") process.exit(9);
  if (id === undefined) return;
  switch (method) {
    case "initialize":
      return answer(id, {
        protocolVersion: params.protocolVersion,
        capabilities: {
          logging: {},
          prompts: {},
          resources: { subscribe: true, listChanged: true },
          tools: { listChanged: true },
        },
        serverInfo: { name: "counting", version: version === "fragile" ? "1" : version },
      });
    case "logging/setLevel":
      level = params.level;
      return answer(id, {});
    case "resources/subscribe":
      answer(id, {});
      return notify("resources/updated", { uri: params.uri });
    case "resources/unsubscribe":
      return answer(id, {});
    case "subscriptions/listen":
      return notify("subscriptions/acknowledged", {
        _meta: { "io.modelcontextprotocol/subscriptionId": id },
      });
    case "tools/list":
      return answer(id, { tools: Object.entries(FRAGILE).map(describe) });
    case "tools/call":
      return call(id, params);
    default:
      return answer(id, {});
  }
}

// Tools that the server dies of the first time, and what it claims of them.
const FRAGILE = {
  look: { readOnlyHint: true },
  put: { idempotentHint: true },
  add: { readOnlyHint: false },
  kill: { readOnlyHint: true },
};
function describe([name, annotations]) {
  return { name, annotations, inputSchema: { type: "object" } };
}

function call(id, { name, arguments: { n } = {}, _meta }) {
  if (name in FRAGILE) return fragile(id, name, _meta?.progressToken);
  if (name === "state") return text(id, JSON.stringify({ pid: process.pid, level }));
  if (name === "die") return process.exit(7);
  if (name === "wait") return answerOnce(id);
  appendFileSync(effects, `${n}\n`);
  if (_meta?.progressToken !== undefined) {
    for (const progress of [1, 2]) {
      notify("progress", { progressToken: _meta.progressToken, progress, total: 2 });
    }
  }
  if (n % 3 !== 0) return text(id, String(n));
  const question = questions++;
  asked.set(question, ({ roots }) => {
    asked.delete(question);
    text(id, `${n} ${roots[0].name}`);
  });
  send({ id: question, method: "roots/list" });
}

function fragile(id, name, progressToken) {
  const died = existsSync(`${effects}.${name}`);
  appendFileSync(effects, `${name}\n`);
  appendFileSync(`${effects}.${name}`, "");
  notify("progress", { progressToken, progress: 1 });
  if (!died || name === "kill") setTimeout(() => process.exit(7), 5);
  else {
    notify("progress", { progressToken, progress: 2 });
    text(id, name);
  }
}

/** As soon as the test says so. */
function answerOnce(id) {
  if (existsSync(`${effects}.go`)) return text(id, "late");
  setTimeout(() => answerOnce(id), 2);
}

function text(id, value) {
  answer(id, { content: [{ type: "text", text: value }] });
}
function answer(id, result) {
  send({ id, result });
}
function notify(method, params) {
  send({ method: `notifications/${method}`, params });
}
function send(message) {
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
}
