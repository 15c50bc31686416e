import type { App, Log, ValueSource } from "../../../identity/mod.ts";
import { RelayError } from "../../error.ts";
import type { Values } from "./values.ts";

/**
 * The value of one setting of an app, such as `header "X-Key"`. The log learns what went wrong;
 * the error is for peers, and tells nothing about files and commands of this host.
 */
export async function valueOf(
  setting: string,
  source: ValueSource,
  { app, values, log }: { readonly app: App; readonly values: Values; readonly log: Log },
): Promise<string> {
  try {
    return await values.read(source);
  } catch (cause) {
    log.error("A setting of an app has no value", {
      app: app.name,
      setting,
      error: cause instanceof RelayError ? cause.message : String(cause),
    });
    throw new RelayError("VALUE_UNAVAILABLE", `The ${setting} of app "${app.name}" has no value`, {
      hint: "The agent's log says why",
      cause,
    });
  }
}
