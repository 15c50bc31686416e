/**
 * Arguments of tools that the server wants in headers as well (`x-mcp-header` in an inputSchema).
 * It learns from the lists as the server sends them, before the gate takes anything out, since a
 * call is judged by the gate and its headers by the server.
 */
import type { JsonView } from "../wire/json.ts";
import { encodeValue } from "./mcp_headers.ts";

interface Declared {
  /** Where the value stands in the arguments. */
  readonly path: readonly string[];
  /** The name of the header, in lower case. */
  readonly header: string;
}

/** Tools with such arguments that are remembered for a session, and such arguments of one tool. */
const MAX_TOOLS = 4096;
const MAX_DECLARED = 64;
const MAX_DEPTH = 32;

export class ToolParams {
  readonly #tools = new Map<string, readonly Declared[]>();

  /** Takes in one page of a list of tools. */
  learn(tools: JsonView | undefined): void {
    for (const tool of tools?.elements() ?? []) {
      const name = tool.member("name")?.string();
      if (name === undefined) continue;
      const found: Declared[] = [];
      const schema = tool.member("inputSchema");
      const valid = schema === undefined || collect(schema, [], found);
      this.#tools.delete(name);
      // A declaration that breaks the rules makes the definition void; its headers are not sent.
      if (valid && found.length > 0 && this.#tools.size < MAX_TOOLS) this.#tools.set(name, found);
    }
  }

  /** The headers for one call; a value that is absent or null has none. */
  headers(tool: string, args: JsonView | undefined): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const { path, header } of this.#tools.get(tool) ?? []) {
      let value: JsonView | undefined = args;
      for (const key of path) value = value?.member(key);
      const text = value && primitive(value);
      if (text !== undefined) headers[header] = encodeValue(text);
    }
    return headers;
  }
}

/** Walks `properties` at any depth; false if two declarations have one name or there are too many. */
function collect(schema: JsonView, path: readonly string[], found: Declared[]): boolean {
  if (path.length > MAX_DEPTH) return false;
  for (const [key, property] of schema.member("properties")?.members() ?? []) {
    const here = [...path, key];
    const declared = property.member("x-mcp-header");
    if (declared !== undefined) {
      const name = declared.string();
      if (name === undefined || !TOKEN.test(name) || found.length >= MAX_DECLARED) return false;
      if (!PRIMITIVES.has(property.member("type")?.string() ?? "")) return false;
      const header = `mcp-param-${name.toLowerCase()}`;
      if (found.some((other) => other.header === header)) return false;
      found.push({ path: here, header });
    }
    if (!collect(property, here, found)) return false;
  }
  return true;
}

/** The text that a header carries; none for what could not be compared with the body. */
function primitive(value: JsonView): string | undefined {
  switch (value.type) {
    case "string":
      return value.string();
    case "boolean":
      return value.text();
    case "number": {
      const number = Number(value.text());
      if (!Number.isFinite(number)) return undefined;
      return Number.isInteger(number) && !Number.isSafeInteger(number) ? undefined : String(number);
    }
    default:
      return undefined;
  }
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;
/** A number is not a permitted type, but servers that declare one compare it all the same. */
const PRIMITIVES: ReadonlySet<string> = new Set(["string", "integer", "boolean", "number"]);
