/** What the demo server tells; its name, tools and fields are the original's. */
import { McpServer } from "@modelcontextprotocol/server";
import { type App, appTransport, type Principal, VERSION } from "../../../identity/mod.ts";

export interface DemoFacts {
  readonly app: App;
  readonly cluster: string;
  /** Who the session's holder is now. */
  readonly principal: () => Principal;
}

const ABOUT =
  "This is a demo server in the agent itself. It runs no program and reaches nothing: " +
  "it shows who you are to the MCP servers of this cluster, and which session you have. " +
  "Which of its tools you see is decided by your roles, as with every other server.";

/** A server for one session, of whichever protocol era. */
export function demoServer({ app, cluster, principal }: DemoFacts): McpServer {
  const server = new McpServer({ name: "teleport-demo", version: VERSION });
  const readOnly = { annotations: { readOnlyHint: true, openWorldHint: false } };
  server.registerTool("teleport_user_info", {
    description: "Shows basic information about your user: name, kind and roles.",
    ...readOnly,
  }, () => {
    const { bot, roles } = principal();
    return json({ name: `bot-${bot}`, user_kind: "bot", roles });
  });
  server.registerTool("teleport_session_info", {
    description: "Shows information about this MCP session: cluster, app and transport.",
    ...readOnly,
  }, () =>
    json({
      cluster,
      app: { name: app.name, description: app.description },
      transport: appTransport(app.uri),
    }));
  server.registerTool("teleport_demo_info", {
    description: "Explains what this demo server is.",
    ...readOnly,
  }, () => ({ content: [{ type: "text", text: ABOUT }] }));
  return server;
}

function json(value: unknown): { content: { type: "text"; text: string }[] } {
  return { content: [{ type: "text", text: JSON.stringify(value) }] };
}
