import type { AppLimits } from "./limits.ts";

/** A server that an agent can reach, as configuration and the authority describe it. */
export interface App {
  readonly name: string;
  readonly description: string;
  /** `mcp+stdio://`, `mcp+http(s)://…` or `mcp+sse+http(s)://…`. */
  readonly uri: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Labels whose values commands on the agent's host tell. */
  readonly dynamicLabels?: readonly DynamicLabel[];
  /** The server to start, for one that speaks over stdin and stdout. */
  readonly mcp?: McpServer;
  /** Takes any certificate of an HTTPS server. */
  readonly insecureSkipVerify?: boolean;
  /** What HTTP requests to the server say of the caller. */
  readonly rewrite?: Rewrite;
  /** Where it differs from the limits that the agent has for all of its apps. */
  readonly limits?: Partial<AppLimits>;
}

/** How an agent starts an MCP server that speaks over stdin and stdout. */
export interface McpServer {
  readonly command: string;
  readonly args: readonly string[];
  /** The local user that the server runs as. */
  readonly runAsHostUser: string;
  /** The directory that the server starts in; the agent's own when absent. */
  readonly cwd?: string;
  /** Variables of the server's environment. */
  readonly env?: Readonly<Record<string, ValueSource>>;
  /** Variables that the server inherits from the agent, beside the harmless ones. */
  readonly passEnv?: readonly string[];
}

/** A label with a value that changes: the first line that a command prints. */
export interface DynamicLabel {
  readonly name: string;
  /** The program and its arguments; no shell is in between. */
  readonly command: readonly string[];
  readonly periodMs: number;
}

/** Which claims about the caller a signed token for the server carries. */
export type JwtClaims = "roles-and-traits" | "roles" | "traits" | "none";

/** Headers of HTTP requests to a server, beside those of the protocol. */
export interface Rewrite {
  readonly jwtClaims: JwtClaims;
  /** Values may hold a template, such as `Bearer {{internal.jwt}}`. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly headersFrom: readonly HeaderFrom[];
}

/** A header with a value that the agent looks up when it needs it. */
export interface HeaderFrom {
  readonly name: string;
  /** Stands before the value, for example `Bearer `. */
  readonly prefix: string;
  readonly from: ValueSource;
}

/** Where the agent finds a value; only one written out in the configuration is known elsewhere. */
export type ValueSource =
  | { readonly kind: "value"; readonly value: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "command"; readonly command: readonly string[]; readonly periodMs: number };

/** How an agent speaks to the server of an app. */
export type AppTransport = "stdio" | "streamable-http" | "sse";

/** A tool as a server lists it; whatever else it says of the tool is there too. */
export interface ServerTool {
  readonly name: string;
  readonly [member: string]: unknown;
}

/** A tool, and the digest of its definition that roles may pin it by. */
export interface ListedTool {
  readonly tool: ServerTool;
  /** 64 hex digits. */
  readonly sha256: string;
}

/** The demo server, which runs in the agent itself; every word of it is the original's. */
export const DEMO_APP: App = {
  name: "teleport-mcp-demo",
  description: "A demo MCP server that shows current user and session information",
  uri: "mcp+stdio://teleport-mcp-demo",
  labels: {
    "teleport.internal/resource-type": "demo",
    "teleport.internal/app-sub-kind": "mcp",
  },
};

/** Read from an app's URI; undefined when it is none of an MCP server. */
export function appTransport(uri: string): AppTransport | undefined {
  if (uri === "" || uri.startsWith("mcp+stdio://")) return "stdio";
  if (/^mcp\+https?:\/\//.test(uri)) return "streamable-http";
  return /^mcp\+sse\+https?:\/\//.test(uri) ? "sse" : undefined;
}

/** Where the server of an app listens: its URI without what says that it is an MCP server. */
export function serverUrl(uri: string): string {
  return uri.replace(/^mcp\+(sse\+)?/, "");
}
