// The same rules on each transport and in both eras: one server, one client, one set of promises.
import assert from "node:assert/strict";
import type { App } from "../../identity/mod.ts";
import { parseRole } from "../../policy/mod.ts";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { test, type TestContext } from "../support/harness.ts";
import { httpApp, INITIALIZE, MODERN_META, startNodeServer } from "../support/http_upstream.ts";
import { testIdentity } from "../support/identity.ts";
import { app, type Cluster, startCluster } from "../support/relay_cluster.ts";

const SERVER = new URL("../fixtures/upstreams/matrix_server.mjs", import.meta.url).pathname;
const CAPABILITIES = { elicitation: { form: {} }, sampling: { tools: {} } };

const ROLE = parseRole(
  JSON.stringify({
    kind: "role",
    version: "v6",
    metadata: { name: "tester" },
    spec: {
      allow: {
        app_labels: { env: "test" },
        mcp: { tools: ["read_*"], resources: ["test://open/*"], prompts: ["open_*"] },
      },
    },
  }),
  "tester.yaml",
);

interface Transport {
  readonly name: string;
  readonly modern: boolean;
  /** The app, given the port of the server that was started for it. */
  readonly app: (port: number) => App;
  /** How the server is started; not at all if the agent does it. */
  readonly mode?: string;
}

const stdio = () => app("matrix", "node", [SERVER, "stdio"]);
const TRANSPORTS: Transport[] = [
  { name: "stdio", modern: false, app: stdio },
  { name: "stdio, modern", modern: true, app: stdio },
  {
    name: "streamable HTTP",
    modern: false,
    mode: "legacy",
    app: (port) => httpApp("matrix", `mcp+http://127.0.0.1:${port}/mcp`),
  },
  {
    name: "streamable HTTP, modern",
    modern: true,
    mode: "modern",
    app: (port) => httpApp("matrix", `mcp+http://127.0.0.1:${port}/mcp`),
  },
  {
    name: "SSE",
    modern: false,
    mode: "sse",
    app: (port) => httpApp("matrix", `mcp+sse+http://127.0.0.1:${port}/sse`),
  },
];

/** A client that speaks as its era does. */
class EraClient {
  readonly client: BridgeClient;
  readonly #modern: boolean;
  #id = 0;

  constructor(client: BridgeClient, modern: boolean) {
    this.client = client;
    this.#modern = modern;
  }

  async begin(): Promise<void> {
    if (this.#modern) {
      assert.ok((await this.request("server/discover")).result.supportedVersions);
      return;
    }
    const initialized = await this.request("initialize", {
      ...INITIALIZE,
      capabilities: CAPABILITIES,
    });
    assert.equal(initialized.result.protocolVersion, "2025-11-25");
    this.client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  /** Sends a request and tells its id. */
  send(method: string, params: Json = {}): number {
    const id = ++this.#id;
    const modern = { ...MODERN_META, "io.modelcontextprotocol/clientCapabilities": CAPABILITIES };
    const _meta = this.#modern ? { ...modern, ...params._meta } : params._meta;
    this.client.send({ jsonrpc: "2.0", id, method, params: { ...params, ..._meta && { _meta } } });
    return id;
  }

  request(method: string, params?: object): Promise<Json> {
    return this.client.answer(this.send(method, params));
  }

  async call(name: string, args: object = {}): Promise<Json> {
    return await this.request("tools/call", { name, arguments: args });
  }

  /** What has reached the server. */
  async log(): Promise<{ calls: string[]; cancelled: number }> {
    return JSON.parse((await this.call("read_log")).result.content[0].text);
  }

  /** A call in whose middle the server asks something; the question, and what comes of the answer. */
  async asked(
    name: string,
    key: string,
    answer: object,
  ): Promise<{ question: Json; said: string }> {
    if (this.#modern) {
      const { result } = await this.call(name);
      assert.equal(result.resultType, "input_required");
      const inputResponses = { [key]: answer };
      const again = await this.request("tools/call", { name, arguments: {}, inputResponses });
      return { question: result.inputRequests[key], said: again.result.content[0].text };
    }
    const call = this.send("tools/call", { name, arguments: {} });
    const { received } = this.client;
    const from = received.length;
    const isNew = (message: Json) => received.indexOf(message) >= from;
    const question = await this.client.until((message) =>
      isNew(message) && message.method !== undefined && message.id !== undefined
    );
    this.client.send({ jsonrpc: "2.0", id: question.id, result: answer });
    const { result } = await this.client.answer(call);
    return { question, said: result.content[0].text };
  }
}

async function open(
  { mode, modern, app }: Transport,
  context: TestContext,
): Promise<{ era: EraClient; cluster: Cluster }> {
  const port = mode === undefined ? 0 : await startNodeServer([SERVER, mode], context);
  const cluster = await startCluster();
  context.cleanup(() => cluster.close());
  cluster.view.roles.set("tester", ROLE);
  cluster.view.apps.set("matrix", app(port));
  const client = new BridgeClient(cluster, await testIdentity(cluster), { app: "matrix" });
  context.cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  const era = new EraClient(client, modern);
  await era.begin();
  return { era, cluster };
}

for (const transport of TRANSPORTS) {
  const { name, modern } = transport;

  test(`${name}: what is allowed is listed and done, what is not is neither, and never reaches the server`, async (context) => {
    const { era, cluster } = await open(transport, context);
    const tools = (await era.request("tools/list")).result;
    const offered = tools.tools.map((tool: Json) => tool.name);
    assert.equal(offered.includes("secret_write"), false);
    assert.equal(offered.includes("read_echo"), true);
    if (modern) assert.equal(tools.cacheScope, "private");
    const { resources } = (await era.request("resources/list")).result;
    assert.deepEqual(resources.map(({ uri }: Json) => uri), ["test://open/a"]);
    const { prompts } = (await era.request("prompts/list")).result;
    assert.deepEqual(prompts.map((prompt: Json) => prompt.name), ["open_hi"]);

    const echo = await era.call("read_echo", { text: "héllo\u2028 ☃" });
    assert.equal(echo.result.content[0].text, "héllo\u2028 ☃");
    const { contents } = (await era.request("resources/read", { uri: "test://open/a" })).result;
    assert.equal(contents[0].text, "the text of test://open/a");
    assert.ok((await era.request("prompts/get", { name: "open_hi" })).result.messages);

    assert.equal((await era.call("secret_write")).error.code, -32602);
    assert.ok((await era.request("resources/read", { uri: "test://closed/b" })).error);
    assert.ok((await era.request("prompts/get", { name: "closed_hi" })).error);
    assert.equal((await era.request("made/up")).error.code, -32601);
    // One that the gate knows and the server does not: the refusal is the server's own.
    const ref = { type: "ref/prompt", name: "open_hi" };
    const argument = { name: "a", value: "" };
    const completion = await era.request("completion/complete", { ref, argument });
    assert.equal(completion.error.code, -32601);
    const { calls } = await era.log();
    assert.deepEqual(calls, ["read_echo", "test://open/a", "open_hi", "read_log"]);
    assert.ok(cluster.audit.events.some((event) => JSON.stringify(event).includes("secret_write")));
  });

  test(`${name}: the server asks back, reports progress, and is told of a cancelled call`, async (context) => {
    const { era } = await open(transport, context);
    const accepted = { action: "accept", content: { color: "red" } };
    const asked = await era.asked("read_ask", "color", accepted);
    assert.equal(asked.question.method, "elicitation/create");
    assert.equal(asked.said, "You like red");

    const answer = { role: "assistant", model: "m", content: { type: "text", text: "hi" } };
    const sampled = await era.asked("read_sample", "said", answer);
    // A model is not offered what the client may not call.
    const offered = sampled.question.params.tools.map((tool: Json) => tool.name);
    assert.equal(offered.includes("secret_write"), false);
    assert.equal(offered.includes("read_echo"), true);
    assert.equal(sampled.said, "The model says hi");

    const { received } = era.client;
    const progress = () => received.filter(({ method }) => method === "notifications/progress");
    const call = (name: string, progressToken: string) =>
      era.send("tools/call", { name, arguments: {}, _meta: { progressToken } });
    const done = await era.client.answer(call("read_progress", "p"));
    assert.deepEqual(progress().map(({ params }) => params.progress), [1, 2, 3]);
    assert.ok(received.indexOf(progress()[2]) < received.indexOf(done));

    const slow = call("read_slow", "slow");
    await era.client.until(({ params }) => params?.progressToken === "slow");
    const params = { requestId: slow };
    era.client.send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    while ((await era.log()).cancelled === 0);
    assert.equal(received.some(({ id, method }) => id === slow && method === undefined), false);
  });
}
