/**
 * What a server of revision 2026-07-28 has to check on HTTP before a message counts: that the
 * headers say what the body says. Stdio has no headers, so this is the front's own duty.
 */
export interface HeaderMismatch {
  readonly code: -32020;
  readonly message: string;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;
type Params = Readonly<Record<string, unknown>> | undefined;

/** A tool's arguments that are repeated in headers: by path of the argument, the header's name. */
export type ParamHeaders = ReadonlyMap<string, string>;

const NAMED_BY: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};

export function checkHeaders(
  headers: Headers,
  { method, params }: { method: string; params?: Params },
  paramHeaders: ParamHeaders = new Map(),
): HeaderMismatch | undefined {
  if (header(headers, "mcp-protocol-version") === undefined) {
    return mismatch("there is no MCP-Protocol-Version");
  }
  if (header(headers, "mcp-method") !== method) return mismatch("Mcp-Method is not the method");
  const member = NAMED_BY[method];
  const name = member === undefined ? undefined : params?.[member];
  if (typeof name === "string" && decoded(header(headers, "mcp-name")) !== name) {
    return mismatch(`Mcp-Name is not params.${member}`);
  }
  const args = params?.["arguments"] as Params;
  for (const [argument, suffix] of paramHeaders) {
    const value = args?.[argument];
    if (value === undefined || value === null) continue;
    if (decoded(header(headers, `mcp-param-${suffix.toLowerCase()}`)) !== String(value)) {
      return mismatch(`Mcp-Param-${suffix} is not arguments.${argument}`);
    }
  }
  return undefined;
}

/** The top-level arguments of a schema that it wants repeated in headers. */
export function paramHeadersOf(inputSchema: unknown): ParamHeaders {
  const { properties = {} } = (inputSchema ?? {}) as { properties?: Record<string, unknown> };
  const found = Object.entries(properties).flatMap(([argument, schema]) => {
    const suffix = (schema as Record<string, unknown>)["x-mcp-header"];
    return typeof suffix === "string" ? [[argument, suffix] as const] : [];
  });
  return new Map(found);
}

function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : undefined;
}

/** `=?base64?…?=` stands for what cannot be written plainly; anything else stands for itself. */
function decoded(value: string | undefined): string | undefined {
  const encoded = /^=\?base64\?(.*)\?=$/.exec(value ?? "")?.[1];
  if (encoded === undefined) return value;
  const canonical = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  if (!canonical.test(encoded)) return undefined;
  const bytes = Uint8Array.from(atob(encoded), (unit) => unit.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

function mismatch(message: string): HeaderMismatch {
  return { code: -32020, message: `Header mismatch: ${message}` };
}
