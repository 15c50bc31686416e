// What the reference server does, from its handshake to its tasks.
import assert from "node:assert/strict";
import { type Behaviour, CLOCKS } from "./table.ts";

const ROOT = { uri: "file:///srv/project", name: "project" };

export const everything: readonly Behaviour[] = [
  {
    what: "a handshake, and the tools for a client that can do nothing",
    play: async (session) => {
      await session.initialize();
      await session.request(1, "tools/list");
      await session.request(2, "ping");
    },
  },
  {
    what: "capabilities that change the list of tools, and the notices that it has changed",
    play: async (session) => {
      await session.initialize({
        sampling: {},
        elicitation: { form: {}, url: {} },
        tasks: { requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
      });
      const { result: { tools } } = await session.request(1, "tools/list");
      assert.ok(tools.length > 13);
    },
  },
  {
    what: "text of every script, escaped and plain",
    play: async (session) => {
      await session.initialize();
      const texts = [
        "Grüße 👩‍👩‍👧‍👦 𝔘𝔫𝔦",
        "שלום \u202e abc",
        "e\u0301 \u2028 \u2029 \u0000",
        "\ud800 lone",
      ];
      for (const [id, message] of texts.entries()) await session.call(id, "echo", { message });
      session.raw(
        '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo","arguments":' +
          '{"message":"\\u0047\\u00fc\\ud83d\\ude00\\/"}}}\n',
      );
      await session.answer(9);
    },
  },
  {
    what: "structured content, numbers and annotations",
    play: async (session) => {
      await session.initialize();
      await session.call(1, "get-structured-content", { location: "Chicago" });
      await session.call(2, "get-sum", { a: 0.1, b: -2e21 });
      await session.call(3, "get-annotated-message", { messageType: "error", includeImage: true });
    },
  },
  {
    what: "images, resources that are embedded and links to resources",
    play: async (session) => {
      await session.initialize();
      await session.call(1, "get-tiny-image");
      await session.call(2, "get-resource-links", { count: 4 });
      await session.call(3, "get-resource-reference", { resourceType: "Text", resourceId: 1 });
      await session.call(4, "get-resource-reference", { resourceType: "Blob", resourceId: 2 });
    },
    // The dynamic resources carry the time of day.
    masks: CLOCKS,
  },
  {
    what: "progress that is streamed, under tokens of both kinds",
    play: async (session) => {
      await session.initialize();
      const long = { duration: 0.1, steps: 5 };
      for (const progressToken of [0, "token"]) {
        await session.call(`p${progressToken}`, "trigger-long-running-operation", long, {
          _meta: { progressToken },
        });
      }
      assert.equal(session.count(({ method }) => method === "notifications/progress"), 10);
    },
  },
  {
    what: "a cancelled call, which has no answer",
    play: async (session) => {
      await session.initialize();
      const call = {
        name: "trigger-long-running-operation",
        arguments: { duration: 0.2, steps: 1 },
      };
      session.send({ id: 1, method: "tools/call", params: call });
      session.send({ method: "notifications/cancelled", params: { requestId: 1, reason: "no" } });
      // The second ends after the first would have.
      await session.call(2, call.name, { duration: 0.4, steps: 1 });
      assert.equal(session.count(({ id }) => id === 1), 0);
    },
  },
  {
    what: "sampling, which the client answers and refuses",
    play: async (session) => {
      await session.initialize({ sampling: {} });
      const answer = session.call(1, "trigger-sampling-request", {
        prompt: "Ünder?",
        maxTokens: 7,
      });
      await session.respond("sampling/createMessage", {
        role: "assistant",
        model: "m",
        content: { type: "text", text: "ja 😀" },
        stopReason: "endTurn",
      });
      await answer;
      const refused = session.call(2, "trigger-sampling-request", { prompt: "again" });
      const { id } = await session.until(
        (it) => it.method === "sampling/createMessage" && it.id === 1,
        "a second request",
      );
      session.send({ id, error: { code: -1, message: "User rejected", data: { by: "user" } } });
      await refused;
    },
  },
  {
    what: "elicitation by form: accepted, declined and cancelled",
    play: async (session) => {
      await session.initialize({ elicitation: { form: {} } });
      const outcomes = [
        { action: "accept", content: { name: "Åsa", check: true, number: 1.5 } },
        { action: "decline" },
        { action: "cancel" },
      ];
      const answers = (async () => {
        for (const id of outcomes.keys()) await session.call(id, "trigger-elicitation-request");
      })();
      await session.respond("elicitation/create", ...outcomes);
      await answers;
    },
  },
  {
    what: "elicitation by URL, asked for and demanded by an error",
    play: async (session) => {
      await session.initialize({ elicitation: { form: {}, url: {} } });
      const url = "https://example.com/authorize?a=ü";
      const answer = session.call(1, "trigger-url-elicitation", { url, elicitationId: "e-1" });
      await session.respond("elicitation/create", { action: "accept" });
      await answer;
      const { error } = await session.call(2, "trigger-url-elicitation", { url, errorPath: true });
      assert.equal(error.code, -32042);
    },
    masks: [/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g],
  },
  {
    what: "roots, and that they have changed",
    play: async (session) => {
      await session.initialize({ roots: { listChanged: true } });
      const synced = (count: number) =>
        session.until(
          ({ params }) => params?.data === `Roots updated: ${count} root(s) received from client`,
          `the server knows ${count} roots`,
        );
      await session.respond("roots/list", { roots: [ROOT] });
      await synced(1);
      session.send({ method: "notifications/roots/list_changed" });
      const again = session.until((it) => it.method === "roots/list" && it.id === 1, "asked again");
      const roots = [ROOT, { uri: "file:///srv/other" }];
      session.send({ id: (await again).id, result: { roots } });
      await synced(2);
      await session.call(1, "get-roots-list");
    },
  },
  {
    what: "resources: lists, reads, templates, subscriptions and updates",
    play: async (session) => {
      await session.initialize();
      await session.request(1, "logging/setLevel", { level: "debug" });
      const { result } = await session.request(2, "resources/list");
      const uri = result.resources[0].uri;
      await session.request(3, "resources/templates/list");
      await session.request(4, "resources/read", { uri });
      await session.request(5, "resources/read", { uri: "demo://resource/dynamic/blob/2" });
      await session.request(6, "resources/read", { uri: "demo://nowhere" });
      await session.request(7, "resources/subscribe", { uri });
      await session.call(8, "toggle-subscriber-updates");
      await session.until((it) => it.method === "notifications/resources/updated", "an update");
      await session.call(9, "toggle-subscriber-updates");
      await session.request(10, "resources/unsubscribe", { uri });
    },
    masks: CLOCKS,
  },
  {
    what: "prompts, and completion with what is known already",
    play: async (session) => {
      await session.initialize();
      await session.request(1, "prompts/list");
      await session.request(2, "prompts/get", { name: "simple-prompt" });
      await session.request(3, "prompts/get", {
        name: "args-prompt",
        arguments: { city: "Zürich", state: "ZH" },
      });
      const ref = { type: "ref/prompt", name: "completable-prompt" };
      await session.request(4, "completion/complete", {
        ref,
        argument: { name: "department", value: "E" },
      });
      await session.request(5, "completion/complete", {
        ref,
        argument: { name: "name", value: "" },
        context: { arguments: { department: "Sales" } },
      });
      await session.request(6, "prompts/get", { name: "no-such-prompt" });
    },
  },
  {
    what: "a task from its start to its result",
    play: async (session) => {
      await session.initialize({ elicitation: { form: {} }, tasks: {} });
      const { result: { task } } = await session.call(
        1,
        "simulate-research-query",
        { topic: "relays" },
        { task: { ttl: 60_000 } },
      );
      await session.request(2, "tasks/result", { taskId: task.taskId });
      await session.request(3, "tasks/get", { taskId: task.taskId });
      await session.request(4, "tasks/list");
      await session.request(5, "tasks/cancel", { taskId: task.taskId });
    },
    masks: [/(?<="taskId":")[^"]+|(?<=cel completed task: )\w+|[0-9a-f]{32}/g, ...CLOCKS],
  },
  {
    what: "errors: a tool that is not there, arguments that do not fit, a method that nobody knows",
    play: async (session) => {
      await session.initialize();
      await session.call(1, "no-such-tool");
      await session.call(2, "get-sum", { a: "x" });
      await session.request(3, "no/such/method", { a: 1 });
      await session.request(4, "resources/read", { uri: "demo://resource/dynamic/text/x" });
    },
  },
];
