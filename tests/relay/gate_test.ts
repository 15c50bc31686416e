import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Gate,
  GATE_LIMITS,
  type GateOptions,
  type GatePolicy,
  type GateStep,
  TaskRegistry,
} from "../../relay/gate/mod.ts";
import { type AppPolicy, compilePolicy, parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";
import { allow, deny, type Grants, policyOf } from "./gate_support.ts";

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const json = (value: unknown) => utf8.encode(JSON.stringify(value));
const rpc = (rest: object) => json({ jsonrpc: "2.0", ...rest });

function open(grants: Grants | GatePolicy = {}, options: Partial<GateOptions> = {}): Gate {
  let decisions = 0;
  const policy = "decideTool" in grants ? grants : policyOf(grants);
  return new Gate({ policy: () => policy, newDecisionId: () => `d${++decisions}`, ...options });
}

/** What the client reads, parsed. */
// deno-lint-ignore no-explicit-any
function read(bytes: Uint8Array | undefined): any {
  assert.ok(bytes, "something was sent");
  return JSON.parse(text(bytes)!);
}

test("a tool is listed if and only if it can be called, under any policy and any names", () => {
  const name = fc.oneof(
    fc.constantFrom("read", "write", "__proto__", "constructor", "a\u0000", "\ud800", "", "ſ", "é"),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  const cases = fc.record({
    tools: fc.array(name, { maxLength: 12 }),
    allowed: fc.array(name, { maxLength: 6 }),
    denied: fc.array(name, { maxLength: 3 }),
    escape: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ tools, allowed, denied, escape }) => {
      const granted = new Set([...allowed, ...tools.filter((_, i) => i % 2 === 0)]);
      for (const each of denied) granted.delete(each);
      const gate = open({
        access: allow,
        toolsUnrestricted: false,
        resourcesUnrestricted: true,
        promptsUnrestricted: true,
        usesDefinitions: false,
        repeats: undefined,
        listTool: (each) => granted.has(each) ? allow : deny,
        decideTool: (each) => granted.has(each) ? allow : deny,
        decideResource: () => allow,
        decidePrompt: () => allow,
      });
      gate.fromClient(rpc({ id: 1, method: "tools/list" }));
      const { forward } = gate.fromServer(
        rpc({ id: 1, result: { tools: tools.map((each) => ({ name: each })) } }),
      );
      const listed = new Set(read(forward).result.tools.map((each: { name: string }) => each.name));
      tools.forEach((each, index) => {
        const written = escape ? escaped(each) : JSON.stringify(each);
        const step = gate.fromClient(utf8.encode(
          `{"jsonrpc":"2.0","id":${index},"method":"tools/call","params":{"name":${written}}}`,
        ));
        assert.equal(step.forward !== undefined, listed.has(each), JSON.stringify(each));
        // A call that passes names exactly the tool that was decided on.
        if (step.forward) assert.equal(read(step.forward).params.name, each);
      });
    }),
    { numRuns: 400 },
  );
});

function escaped(name: string): string {
  const units = Array.from({ length: name.length }, (_, i) => name.charCodeAt(i));
  return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"`;
}

test("no bytes from either side make the gate throw, and what passes is one compact line", () => {
  const method = fc.constantFrom(
    "tools/call",
    "tools/list",
    "tasks/get",
    "completion/complete",
    "subscriptions/listen",
    "sampling/createMessage",
    "notifications/cancelled",
    "notifications/resources/updated",
    "vendor/x",
  );
  const member = fc.constantFrom(
    "name",
    "uri",
    "taskId",
    "ref",
    "tools",
    "task",
    "notifications",
    "requestId",
    "inputRequests",
    "inputResponses",
    "content",
    "_meta",
  );
  const inner = fc.dictionary(member, fc.jsonValue({ maxDepth: 3 }));
  const id = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom("1", null, 1.5, true));
  const message = fc.oneof(
    fc.record({ id, method, params: inner }, { requiredKeys: [] }),
    fc.record({ id, result: inner }),
    fc.record({ id, error: inner }),
    fc.record({ id, method, params: fc.jsonValue() }),
  ).map((rest) => rpc(rest));
  const line = fc.oneof(
    { weight: 4, arbitrary: message },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  );
  const session = fc.array(fc.tuple(fc.boolean(), line), { maxLength: 30 });
  fc.assert(
    fc.property(session, fc.boolean(), (lines, unrestricted) => {
      const gate = open({ tools: unrestricted ? ["*"] : ["read"] });
      for (const [fromClient, bytes] of lines) {
        const step = fromClient ? gate.fromClient(bytes) : gate.fromServer(bytes);
        for (const sent of [step.forward, step.reply]) {
          if (sent === undefined) continue;
          const out = text(sent)!;
          assert.ok(!/[\r\n\u2028\u2029]/.test(out), "no line end inside");
          assert.doesNotThrow(() => JSON.parse(out));
        }
        assert.ok(step.records.length > 0, "the audit log hears of everything");
      }
      gate.policyChanged();
      gate.end();
    }),
    { numRuns: 600 },
  );
});

test("a full table of requests refuses the next one and forgets none", () => {
  const gate = open({}, { limits: { ...GATE_LIMITS, clientRequests: 2, serverRequests: 1 } });
  gate.fromClient(rpc({ id: 1, method: "tools/list" }));
  gate.fromClient(rpc({ id: 2, method: "ping" }));
  const refused = gate.fromClient(rpc({ id: 3, method: "ping" }));
  assert.equal(refused.forward, undefined);
  assert.equal(read(refused.reply).error.code, -32603);
  assert.equal(refused.records[0]?.reason, "in_flight_limit");
  // The oldest is still known to be a list.
  const listed = gate.fromServer(rpc({ id: 1, result: { tools: [{ name: "write" }] } }));
  assert.deepEqual(read(listed.forward).result.tools, []);
  assert.ok(gate.fromClient(rpc({ id: 3, method: "ping" })).forward);

  assert.ok(gate.fromServer(rpc({ id: 1, method: "roots/list" })).forward);
  const busy = gate.fromServer(rpc({ id: 2, method: "roots/list" }));
  assert.equal(read(busy.reply).error.code, -32603);
});

test("more cancelled requests than may be remembered end the session", () => {
  const gate = open({}, { limits: { ...GATE_LIMITS, cancelled: 1 } });
  for (const id of [1, 2]) gate.fromClient(rpc({ id, method: "tools/list" }));
  const cancel = (requestId: number) =>
    gate.fromClient(rpc({ method: "notifications/cancelled", params: { requestId } }));
  assert.equal(cancel(1).close, undefined);
  assert.equal(cancel(2).close?.code, "LIMIT_EXCEEDED");
});

test("a cancellation with an id that readers may take for another is dropped", () => {
  const gate = open();
  gate.fromClient(rpc({ id: 1, method: "ping" }));
  const line = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.0}}';
  const step = gate.fromClient(utf8.encode(line));
  assert.equal(step.forward, undefined);
  assert.equal(step.records[0]?.reason, "bad_params");
});

test("records pair an answer with its request and name what was decided", () => {
  const gate = open();
  const call = { id: "c", method: "tools/call", params: { name: "read_a", arguments: { k: 1 } } };
  const line = rpc(call);
  const [asked] = gate.fromClient(line).records;
  assert.ok(asked);
  const { params, ...rest } = asked;
  assert.deepEqual(rest, {
    kind: "request",
    from: "client",
    outcome: "forwarded",
    method: "tools/call",
    id: '"c"',
    decisionId: "d1",
    target: { kind: "tool", name: "read_a" },
    decision: allow,
    bytes: line.length,
  });
  assert.deepEqual(JSON.parse(params!.text()), call.params);
  const answer = rpc({ id: "c", error: { code: -32000, message: "disk full" } });
  assert.deepEqual(gate.fromServer(answer).records, [{
    kind: "response",
    from: "server",
    outcome: "forwarded",
    method: "tools/call",
    id: '"c"',
    decisionId: "d1",
    target: { kind: "tool", name: "read_a" },
    error: { code: -32000, message: "disk full" },
    bytes: answer.length,
  }]);
  assert.deepEqual(gate.end(), [], "nothing waits any more");
});

test("end() names every request that will have no answer", () => {
  const gate = open();
  gate.fromClient(rpc({ id: 1, method: "tools/call", params: { name: "read_a" } }));
  gate.fromClient(rpc({ id: 2, method: "tools/call", params: { name: "write" } }));
  const cut = gate.end();
  assert.deepEqual(cut.map(({ id, reason, outcome }) => ({ id, reason, outcome })), [
    { id: "1", reason: "session_ended", outcome: "dropped" },
  ]);
});

test("a task may be asked for from each session of its owner and from no other", () => {
  const tasks = new TaskRegistry(10);
  const session = (owner: string) => open({}, { tasks, owner });
  const get = rpc({ id: 9, method: "tasks/get", params: { taskId: "t" } });
  const first = session("bot/1");
  first.fromClient(rpc({ id: 1, method: "tools/call", params: { name: "read_a", task: {} } }));
  first.fromServer(rpc({ id: 1, result: { task: { taskId: "t" } } }));
  assert.ok(session("bot/1").fromClient(get).forward);
  const stranger = session("bot/2");
  assert.equal(stranger.fromClient(get).forward, undefined);

  // A server may count for each caller anew: the id is that of two tasks then.
  stranger.fromClient(rpc({ id: 1, method: "tools/call", params: { name: "read_b" } }));
  const made = rpc({ id: 1, result: { resultType: "task", taskId: "t" } });
  assert.deepEqual(stranger.fromServer(made).forward, made);
  assert.ok(stranger.fromClient(get).forward);
  assert.equal(tasks.find("t", "bot/1")?.tool, "read_a");
  assert.equal(tasks.find("t", "bot/2")?.tool, "read_b");
});

test("a notice about a task waits for the answer that says whose it is", () => {
  const tasks = new TaskRegistry(10);
  const status = (taskId: string, at: number) =>
    rpc({ method: "notifications/tasks/status", params: { taskId, status: "working", at } });
  const created = (id: number, taskId: string) => rpc({ id, result: { task: { taskId } } });
  const call = (id: number) =>
    rpc({ id, method: "tools/call", params: { name: "read_a", task: {} } });
  const gate = open({}, { tasks, owner: "bot/1" });

  // Nobody has asked for anything, so nothing can follow.
  assert.deepEqual(gate.fromServer(status("t", 0)).records.map(({ reason }) => reason), ["denied"]);

  gate.fromClient(call(1));
  gate.fromClient(call(2));
  for (const at of [1, 2]) assert.deepEqual(gate.fromServer(status("t", at)), { records: [] });
  assert.deepEqual(gate.fromServer(status("strange", 3)), { records: [] });
  assert.ok(gate.held > 0);
  const first = gate.fromServer(created(1, "t"));
  assert.deepEqual(first.before?.map((bytes) => read(bytes).params.at), [1, 2]);
  assert.equal(read(first.forward).result.task.taskId, "t");
  assert.deepEqual(first.records.map(({ outcome, method }) => `${outcome} ${method}`), [
    "forwarded notifications/tasks/status",
    "forwarded notifications/tasks/status",
    "forwarded tools/call",
  ]);
  // The last call is answered: whose the other task is will never be known here.
  const second = gate.fromServer(rpc({ id: 2, error: { code: 1, message: "no" } }));
  assert.deepEqual(second.before, []);
  assert.deepEqual(second.records.map(({ outcome }) => outcome), ["dropped", "forwarded"]);
  assert.equal(gate.held, 0);

  // One of that name is another's; this call may make one too, and has not.
  const stranger = open({}, { tasks, owner: "bot/2" });
  stranger.fromClient(call(1));
  assert.deepEqual(stranger.fromServer(status("t", 4)), { records: [] });
  const third = stranger.fromServer(created(1, "other"));
  assert.deepEqual(third.before, []);
  assert.deepEqual(third.records.map(({ outcome }) => outcome), ["dropped", "forwarded"]);
});

test("notices that wait are bounded in number and size, and recorded when the session ends", () => {
  const notice = (size: number) =>
    rpc({ method: "notifications/tasks/status", params: { taskId: "t", x: "x".repeat(size) } });
  for (const { size, kept } of [{ size: 1, kept: 100 }, { size: 100_000, kept: 2 }]) {
    const gate = open();
    gate.fromClient(rpc({ id: 1, method: "tools/call", params: { name: "read_a" } }));
    let dropped = 0;
    for (let i = 0; i < 150; i++) dropped += gate.fromServer(notice(size)).records.length;
    assert.equal(dropped, 150 - kept);
    assert.ok(gate.held <= 256 * 1024);
    assert.equal(gate.end().length, kept + 1);
    assert.equal(gate.held, 0);
  }
});

test("past its limit the registry forgets the oldest task, which closes it", () => {
  const tasks = new TaskRegistry(2);
  for (const id of ["a", "b", "c"]) tasks.add(id, { owner: "o", tool: "t" });
  assert.deepEqual(["a", "b", "c"].map((id) => tasks.find(id, "o") !== undefined), [
    false,
    true,
    true,
  ]);
});

test("an oversized line is refused under its id where the id can be known", () => {
  const filler = "x".repeat(5000);
  const excerpt = (line: string) => {
    const bytes = utf8.encode(line);
    return { head: bytes.subarray(0, 200), tail: bytes.subarray(-200), bytes: bytes.length };
  };
  const cases: [line: string, id: unknown][] = [
    [`{"jsonrpc":"2.0","id":5,"method":"x","params":{"a":"${filler}"}}`, 5],
    [`{"method":"x","params":{"a":"${filler}"},"jsonrpc":"2.0","id":"é7"}`, "é7"],
    [`{"method":"x","params":{"a":"${filler}"},"id":6, "jsonrpc":"2.0" }\r`, 6],
    [`{"method":"x","params":{"a":"${filler}","id":7}}`, undefined],
    [`{"method":"x","params":{"a":"${filler}\\"id\\":8}"}}`, undefined],
    [`{"jsonrpc":"2.0","id":"${filler}","method":"x"}`, undefined],
    [`{"jsonrpc":"2.0","params":"${filler}","id":9.5}`, undefined],
    [`{"jsonrpc":"2.0","params":"${filler}","id":{"a":1}}`, undefined],
    ["x".repeat(9000), undefined],
  ];
  for (const [line, id] of cases) {
    const { reply, forward, records }: GateStep = open().oversized("client", excerpt(line));
    assert.equal(forward, undefined);
    assert.deepEqual(read(reply), {
      jsonrpc: "2.0",
      ...(id === undefined ? {} : { id }),
      error: { code: -32600, message: "The message is too large", data: "limit message_size" },
    }, line.slice(-60));
    assert.equal(records[0]?.bytes, utf8.encode(line).length);
  }
});

test("an oversized answer of the server fails its call", () => {
  const gate = open();
  gate.fromClient(rpc({ id: 1, method: "tools/call", params: { name: "read_a" } }));
  const line = utf8.encode(`{"result":{"content":["${"x".repeat(9000)}"]},"jsonrpc":"2.0","id":1}`);
  const excerpt = { head: line.subarray(0, 100), tail: line.subarray(-100), bytes: line.length };
  const { forward, reply } = gate.oversized("server", excerpt);
  assert.equal(reply, undefined);
  assert.equal(read(forward).id, 1);
  assert.equal(read(forward).error.code, -32603);
});

/** The policy that roles give for one app with the labels `env: dev`. */
function compiled(tools: string): AppPolicy {
  const { roles, problems } = parseRoles(
    `kind: role
version: v8
metadata: { name: r }
spec: { allow: { app_labels: { env: dev }, mcp: { tools: ${tools} } } }`,
    "r.yaml",
  );
  assert.deepEqual(problems, []);
  const subject = { name: "bot", traits: {} };
  return compilePolicy(roles, subject, { name: "app", labels: { env: "dev" } });
}

test("a rule on arguments judges those that are forwarded", () => {
  const gate = open(compiled(`[{ name: read, where: 'arguments.path == "/tmp"' }]`));
  const call = (id: number, args: string) =>
    gate.fromClient(utf8.encode(
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"read"${args}}}`,
    ));
  assert.ok(call(1, ',"arguments":{"path":"/t\\u006dp"}').forward);
  assert.equal(call(2, ',"arguments":{"path":"/etc"}').records[0]?.reason, "denied");
  assert.equal(call(3, "").records[0]?.reason, "denied");
  // The tool is shown, since some call of it is allowed.
  gate.fromClient(rpc({ id: 4, method: "tools/list" }));
  const list = gate.fromServer(
    rpc({ id: 4, result: { tools: [{ name: "read" }, { name: "x" }] } }),
  );
  assert.deepEqual(read(list.forward).result.tools, [{ name: "read" }]);
});

test("a pinned tool is listed and called by the definition that the server showed", () => {
  const tool = '{"name":"read","inputSchema":{"b":1.0,"a":{}},"description":"é"}';
  // printf %s '{"description":"é","inputSchema":{"a":{},"b":1.0},"name":"read"}' | sha256sum
  const pin = "5aaf3cd72aac26fa8af758247c1ae906648190cc296a763e6438f00d547f0200";
  const gate = open(compiled(`[{ name: read, sha256: ${pin} }]`));
  const call = (id: number) =>
    gate.fromClient(rpc({ id, method: "tools/call", params: { name: "read" } }));
  const list = (id: number, tools: string) => {
    gate.fromClient(rpc({ id, method: "tools/list" }));
    const line = `{"jsonrpc":"2.0","id":${id},"result":{"tools":[${tools}]}}`;
    return read(gate.fromServer(utf8.encode(line)).forward).result.tools.length;
  };
  assert.equal(call(1).records[0]?.reason, "denied", "nothing is known of the tool yet");
  assert.equal(list(2, tool), 1);
  assert.ok(call(3).forward);
  gate.fromServer(rpc({ id: 3, result: {} }));
  assert.equal(list(4, tool.replace("1.0", "2.0")), 0);
  assert.equal(call(5).records[0]?.reason, "denied", "the definition has changed");
});

test("names, methods and ids beyond their limits are refused and not repeated", () => {
  const gate = open({ tools: ["*"] });
  const long = "x".repeat(2000);
  const refused = [
    rpc({ id: 1, method: "tools/call", params: { name: long } }),
    rpc({ id: 2, method: long }),
    rpc({ id: long, method: "ping" }),
    rpc({ id: 3, method: "resources/read", params: { uri: long.repeat(5) } }),
  ];
  for (const line of refused) {
    const { forward, reply, records } = gate.fromClient(line);
    assert.equal(forward, undefined);
    assert.ok(reply!.length < 300);
    assert.ok(JSON.stringify({ ...records[0], params: undefined }).length < 400);
  }
  assert.ok(
    gate.fromClient(rpc({ id: 4, method: "resources/read", params: { uri: long } })).forward,
  );
});
