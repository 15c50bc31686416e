// Revision 2026-07-28, which the reference server does not speak.
import assert from "node:assert/strict";
import type { Message, RecordedSession } from "./session.ts";
import type { Behaviour } from "./table.ts";

const META = "io.modelcontextprotocol";

function envelope(capabilities: object = {}, more: object = {}): object {
  return {
    _meta: {
      [`${META}/protocolVersion`]: "2026-07-28",
      [`${META}/clientCapabilities`]: capabilities,
      [`${META}/clientInfo`]: { name: "recorder", version: "1.0.0" },
      ...more,
    },
  };
}

function ask(
  session: RecordedSession,
  id: number | string,
  method: string,
  params: object = {},
  capabilities: object = {},
): Promise<Message> {
  return session.request(id, method, { ...params, ...envelope(capabilities) });
}

export const modern: readonly Behaviour[] = [
  {
    what: "discovery, lists and calls without a handshake",
    play: async (session) => {
      await ask(session, 0, "server/discover");
      for (const kind of ["tools", "resources", "resources/templates", "prompts"]) {
        await ask(session, kind, `${kind}/list`);
      }
      await ask(session, 1, "tools/call", { name: "test_multiple_content_types", arguments: {} });
      await ask(session, 2, "resources/read", { uri: "test://static-binary" });
      await ask(session, 3, "resources/read", { uri: "test://nowhere" });
      await ask(session, 4, "no/such/method");
      await ask(session, 5, "completion/complete", {
        ref: { type: "ref/prompt", name: "test_prompt_with_arguments" },
        argument: { name: "arg1", value: "par" },
      });
    },
  },
  {
    what: "a call that needs input and is repeated with it, under new ids",
    play: async (session) => {
      const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
      const name = "test_input_required_result_multiple_inputs";
      const first = await ask(session, 1, "tools/call", { name, arguments: {} }, capabilities);
      assert.equal(first.result.resultType, "input_required");
      const { result } = await ask(session, 2, "tools/call", {
        name,
        arguments: {},
        requestState: first.result.requestState,
        inputResponses: {
          user_name: { action: "accept", content: { name: "Åsa" } },
          greeting: { role: "assistant", model: "m", content: { type: "text", text: "Hej" } },
          client_roots: { roots: [{ uri: "file:///srv" }] },
        },
      }, capabilities);
      assert.equal(result.resultType, "complete");
      await ask(session, 3, "tools/call", {
        name: "test_input_required_result_tampered_state",
        arguments: {},
        requestState: "forged",
        inputResponses: { confirm: { action: "accept", content: { ok: true } } },
      }, capabilities);
      await ask(session, 4, "tools/call", { name: "test_missing_capability", arguments: {} });
    },
    // Signed with the time of day.
    masks: [/(?<="requestState":")[^"]+/g],
  },
  {
    what: "a subscription that hears of changes until it is ended",
    play: async (session) => {
      const notifications = { toolsListChanged: true, promptsListChanged: true };
      session.send({
        id: "listen",
        method: "subscriptions/listen",
        params: { notifications, ...envelope() },
      });
      await session.until(
        ({ method }) => method === "notifications/subscriptions/acknowledged",
        "the subscription stands",
      );
      for (const what of ["tool", "prompt"]) {
        await ask(session, what, "tools/call", {
          name: `test_trigger_${what}_change`,
          arguments: {},
        });
        await session.until(
          ({ method }) => method === `notifications/${what}s/list_changed`,
          `a change of ${what}s is heard`,
        );
      }
      session.send({ method: "notifications/cancelled", params: { requestId: "listen" } });
      await ask(session, "after", "tools/call", { name: "test_simple_text", arguments: {} });
    },
  },
  {
    what: "progress, and log lines for whoever asks for them",
    play: async (session) => {
      const call = (id: number, name: string, more: object) =>
        session.request(id, "tools/call", { name, arguments: {}, ...envelope({}, more) });
      await call(1, "test_tool_with_progress", { progressToken: "é" });
      await call(2, "test_logging_tool", { [`${META}/logLevel`]: "debug" });
      await call(3, "test_logging_tool", {});
    },
  },
];
