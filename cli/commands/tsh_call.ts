import { IdentityError, plainJson } from "../../identity/mod.ts";
import { visible } from "../visible.ts";
import { type Json, McpSession } from "./_mcp_session.ts";
import type { TshHost } from "./_tsh_host.ts";
import type { TshOptions } from "./_tsh_options.ts";

export interface CallCommand extends TshOptions {
  readonly app: string;
  readonly tool: string;
  /** The arguments as a JSON object; none when absent. */
  readonly json?: string | undefined;
  readonly format: "text" | "json";
}

/** `tsh mcp call`: calls one tool and prints what it answers; 1 if the tool says that it failed. */
export async function call(command: CallCommand, host: TshHost): Promise<number> {
  const { app, format, tool } = command;
  const args = readArguments(tool, command.json);
  return await McpSession.with(app, command, host, async (session) => {
    const params = { name: tool, arguments: args };
    const result = await session.request("tools/call", params, `call "${tool}" of app "${app}"`);
    host.stdout.write(
      format === "json" ? `${plainJson(JSON.stringify(result, undefined, 2))}\n` : text(result),
    );
    return result?.isError === true ? 1 : 0;
  });
}

function readArguments(tool: string, json = "{}"): object {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw wrong(tool, "its arguments are not JSON", cause);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw wrong(tool, "its arguments are no JSON object");
}

function wrong(tool: string, found: string, cause?: unknown): IdentityError {
  return new IdentityError("BAD_REQUEST", `Cannot call "${tool}": ${found}`, {
    hint: `Write them in quotes, for example '{"message": "hello"}'`,
    cause,
  });
}

/** Texts as they are, line by line; of everything else, what it is. */
function text(result: Json): string {
  const blocks: string[] = (result?.content ?? []).map((block: Json) => {
    if (block?.type === "text") return lines(String(block.text));
    const { type, mimeType, uri } = { ...block, ...block?.resource };
    const what = [type, mimeType, uri].filter((part) => part !== undefined).join(" ");
    return lines(`[${what}]`);
  });
  if (blocks.length === 0 && result?.structuredContent !== undefined) {
    return lines(JSON.stringify(result.structuredContent, undefined, 2));
  }
  return blocks.join("");
}

/** Each line escaped: what peers write must not reach a terminal as it is. */
function lines(value: string): string {
  return value.split("\n").map((line) => `${visible(line)}\n`).join("");
}
