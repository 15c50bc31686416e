/**
 * A gateway that does what the rows over HTTP are about: `careless_gateway.mjs URL` between stdio and
 * a server over HTTP. It writes headers as they come, follows redirects, believes whatever it gets.
 * It shows that the kit finds what it looks for; nobody should use it.
 */
import net from "node:net";
import process from "node:process";
import { gunzipSync } from "node:zlib";

const { hostname, port, pathname } = new URL(process.argv[2]);

let typed = "";
process.stdin.setEncoding("latin1").on("data", (chunk) => {
  const lines = (typed + chunk).split("\n");
  typed = lines.pop();
  for (const line of lines) void post(pathname, line, JSON.parse(line).id);
}).on("end", () => process.exit());

function post(path, line, id) {
  const { method, params } = JSON.parse(Buffer.from(line, "latin1").toString("utf8"));
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: kit",
    "connection: close",
    "accept: application/json, text/event-stream",
    `content-length: ${line.length}`,
    `mcp-method: ${method}`,
  ];
  const name = params?._meta?.["Mcp-Name"] ?? params?.name ?? params?.uri;
  if (name !== undefined) head.push(`mcp-name: ${name}`);
  const message = params?.arguments?.message;
  if (message !== undefined) head.push(`mcp-param-message: ${message}`);
  const version = params?._meta?.["io.modelcontextprotocol/protocolVersion"];
  if (version !== undefined) head.push(`mcp-protocol-version: ${version}`);
  for (const [key, value] of Object.entries(params?.arguments?.headers ?? {})) {
    head.push(`${key}: ${value}`);
  }
  const socket = net.connect(Number(port), hostname);
  let answer = "";
  socket.setEncoding("latin1").on("data", (chunk) => (answer += chunk));
  socket.on("error", () => {});
  socket.on("close", () => hear(answer, id));
  socket.end(Buffer.from(`${head.join("\r\n")}\r\n\r\n${line}`, "latin1"));
}

function hear(answer, id) {
  const end = answer.indexOf("\r\n\r\n");
  const location = /^location: (.*)$/im.exec(answer.slice(0, end))?.[1];
  if (location !== undefined) return post(location.replace("//localhost", ""), "{}", id);
  const body = /content-encoding: gzip/i.test(answer)
    ? gunzipSync(Buffer.from(whole(answer.slice(end + 4)), "latin1")).toString("latin1")
    : whole(answer.slice(end + 4));
  const texts = [...body.matchAll(/\{.*\}/g)].map(([text]) => text);
  for (const text of texts) process.stdout.write(`${text}\n`, "latin1");
  if (id === undefined || texts.some((text) => text.includes(JSON.stringify(id)))) return;
  // Whatever it was, the one who asked is told.
  const result = { said: body };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`, "latin1");
}

/** A body without the sizes of its chunks. */
function whole(chunked) {
  let body = "";
  for (let rest = chunked; rest !== "";) {
    const size = Number.parseInt(rest, 16);
    if (!(size > 0)) return body === "" ? rest : body;
    const start = rest.indexOf("\r\n") + 2;
    body += rest.slice(start, start + size);
    rest = rest.slice(start + size + 2);
  }
  return body;
}
