/** A server that an agent can reach, as configuration and the authority describe it. */
export interface App {
  readonly name: string;
  readonly description: string;
  /** `mcp+stdio://` for a server that the agent spawns. */
  readonly uri: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly mcp?: McpServer;
  /** The certificate of an HTTPS server is not verified. */
  readonly insecureSkipVerify?: boolean;
}

/** How an agent starts an MCP server that speaks over stdin and stdout. */
export interface McpServer {
  readonly command: string;
  readonly args: readonly string[];
  /** The local user that the server runs as. */
  readonly runAsHostUser: string;
}
