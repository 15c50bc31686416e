/**
 * What an app may say of itself, wherever it is written: in `app_service.apps` of a file or in a
 * resource of `kind: app`. Both have these fields, and both mean by them what `toApp()` says.
 */
import * as z from "zod";
import type { App } from "../app.ts";

/** Added to MCP apps by the original, so that roles can select them. */
const MCP_LABEL = { "teleport.internal/app-sub-kind": "mcp" };

const text = z.string().min(1, "it is empty").max(4096);

/** The name of an app is a DNS label. */
export const appName = z.string().regex(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  "an app's name has lower-case letters, digits and dashes, and at most 63 of them",
);

/** Static labels. */
export const appLabels = z.record(z.string(), z.string()).default({});

/** The fields that stand directly in an app of a file, and under `spec` in a resource. */
export const appFields = {
  uri: z.string().startsWith("mcp+stdio://", "only mcp+stdio:// is supported yet")
    .default("mcp+stdio://"),
  mcp: z.strictObject({
    command: text,
    args: z.array(z.string()).default([]),
    run_as_host_user: text,
  }),
};

const fields = z.object(appFields);

/** Who an app is, beside its fields. */
export interface AppNaming {
  readonly name: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The app that checked fields describe. */
export function toApp(naming: AppNaming, { uri, mcp }: z.infer<typeof fields>): App {
  return {
    name: naming.name,
    description: naming.description,
    uri,
    labels: { ...naming.labels, ...MCP_LABEL },
    mcp: { command: mcp.command, args: mcp.args, runAsHostUser: mcp.run_as_host_user },
  };
}
