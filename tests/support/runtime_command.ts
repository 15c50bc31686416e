import process from "node:process";

/** The command line that runs a script with the runtime that runs this one. */
export function runtimeCommand(script: string, ...args: string[]): [string, ...string[]] {
  const flags = process.versions["deno"] === undefined ? [] : ["run", "--allow-all", "--no-check"];
  return [process.execPath, ...flags, script, ...args];
}
