/** An app in the words of its schema: what `toApp()` would read back. */
import type { App, McpServer, Rewrite, ValueSource } from "../app.ts";
import { formatDuration } from "../duration.ts";

/** The fields of an app, as they stand under `spec` of a resource. */
export function toAppFields(app: App): Record<string, unknown> {
  const { dynamicLabels, insecureSkipVerify, mcp, rewrite, uri } = app;
  return {
    uri,
    ...(dynamicLabels && {
      commands: dynamicLabels.map(({ name, command, periodMs }) => ({
        name,
        command,
        period: formatDuration(periodMs),
      })),
    }),
    ...(insecureSkipVerify && { insecure_skip_verify: true }),
    ...(mcp && { mcp: serverFields(mcp) }),
    ...(rewrite && { rewrite: rewriteFields(rewrite) }),
  };
}

function serverFields({ command, args, runAsHostUser, cwd, env, passEnv }: McpServer) {
  return {
    command,
    args,
    run_as_host_user: runAsHostUser,
    ...(cwd !== undefined && { cwd }),
    ...(env && {
      env: Object.fromEntries(
        Object.entries(env).map(([name, source]) => [name, sourceFields(source)]),
      ),
    }),
    ...(passEnv && { pass_env: passEnv }),
  };
}

function rewriteFields({ jwtClaims, headers, headersFrom }: Rewrite) {
  return {
    jwt_claims: jwtClaims,
    ...(headers.length > 0 && { headers }),
    ...(headersFrom.length > 0 && {
      headers_from: headersFrom.map(({ name, prefix, from }) => ({
        name,
        ...(prefix !== "" && { prefix }),
        ...sourceFields(from),
      })),
    }),
  };
}

function sourceFields(source: ValueSource): Record<string, unknown> {
  switch (source.kind) {
    case "value":
      return { value: source.value };
    case "file":
      return { file: source.path };
    case "env":
      return { env: source.name };
    case "command":
      return { command: source.command, period: formatDuration(source.periodMs) };
  }
}
