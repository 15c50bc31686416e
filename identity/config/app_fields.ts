/** From the words of the schema to an app, and back. */
import type { App, McpServer, Rewrite, ValueSource } from "../app.ts";
import { formatDuration } from "../duration.ts";
import { toValueSource } from "./_value_source.ts";
import { toAppLimitFields, toAppLimits } from "./app_limits.ts";
import type { AppFields } from "./app_schema.ts";

/** Added to MCP apps by the original, so that roles can select them. */
const MCP_LABEL = { "teleport.internal/app-sub-kind": "mcp" };

/** Who an app is, beside its fields. */
export interface AppNaming {
  readonly name: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The app that checked fields describe. */
export function toApp(naming: AppNaming, fields: AppFields): App {
  const { commands, insecure_skip_verify, limits, mcp, rewrite } = fields;
  return {
    name: naming.name,
    description: naming.description,
    uri: fields.uri || "mcp+stdio://",
    labels: { ...naming.labels, ...MCP_LABEL },
    ...(commands.length > 0 && {
      dynamicLabels: commands.map(({ period, ...label }) => ({ ...label, periodMs: period })),
    }),
    ...(mcp && { mcp: toServer(mcp) }),
    ...(insecure_skip_verify && { insecureSkipVerify: true }),
    ...(rewrite && { rewrite: toRewrite(rewrite) }),
    ...(limits && { limits: toAppLimits(limits) }),
  };
}

function toServer(
  { command, args, run_as_host_user, cwd, env, pass_env }: NonNullable<AppFields["mcp"]>,
): McpServer {
  return {
    command,
    args,
    runAsHostUser: run_as_host_user,
    ...(cwd !== undefined && { cwd }),
    ...(env && {
      env: Object.fromEntries(
        Object.entries(env).map(([name, source]) => [name, toValueSource(source)]),
      ),
    }),
    ...(pass_env && { passEnv: pass_env }),
  };
}

function toRewrite(
  { jwt_claims, headers, headers_from }: NonNullable<AppFields["rewrite"]>,
): Rewrite {
  return {
    jwtClaims: jwt_claims,
    headers,
    headersFrom: headers_from.map(({ name, prefix, ...source }) => ({
      name,
      prefix,
      from: toValueSource(source),
    })),
  };
}

/** The fields of an app, as they stand under `spec` of a resource; `toApp()` would read them back. */
export function toAppFields(app: App): Record<string, unknown> {
  const { dynamicLabels, insecureSkipVerify, limits, mcp, rewrite, uri } = app;
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
    ...(limits && { limits: toAppLimitFields(limits) }),
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
