import process from "node:process";
import type { App, Log } from "../../../identity/mod.ts";
import { systemClock } from "../../../identity/mod.ts";
import { RelayError } from "../../error.ts";
import { valueOf } from "./value_of.ts";
import { Values } from "./values.ts";

/** The variables that an app's configuration gives to its server: `mcp.pass_env` and `mcp.env`. */
export async function settingsEnvironment(
  { app, log, values = new Values(systemClock) }: {
    readonly app: App;
    readonly log: Log;
    readonly values?: Values;
  },
): Promise<Record<string, string>> {
  const environment: Record<string, string> = {};
  for (const name of app.mcp?.passEnv ?? []) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  for (const [name, source] of Object.entries(app.mcp?.env ?? {})) {
    const setting = `variable "${name}"`;
    const value = await valueOf(setting, source, { app, values, log });
    if (value.includes("\0")) {
      throw new RelayError("VALUE_UNAVAILABLE", `The ${setting} of app "${app.name}" has a NUL`);
    }
    environment[name] = value;
  }
  return environment;
}
