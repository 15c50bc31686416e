import process from "node:process";
import type { HostUser } from "./host_user.ts";

/** What a server inherits from the agent; everything else may be a secret of the agent. */
const INHERITED = new Set([
  "HOME",
  "LANG",
  "LANGUAGE",
  "LOGNAME",
  "PATH",
  "SHELL",
  "TERM",
  "TMPDIR",
  "TZ",
  "USER",
  // Windows cannot start programs without these.
  "APPDATA",
  "COMSPEC",
  "LOCALAPPDATA",
  "PATHEXT",
  "SYSTEMDRIVE",
  "SYSTEMROOT",
  "TEMP",
  "TMP",
  "USERPROFILE",
]);

/** The environment of an MCP server, run as `user` or as the agent's own user. */
export function serverEnvironment(
  user: HostUser | undefined,
  own: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    const known = INHERITED.has(name.toUpperCase()) || name.startsWith("LC_");
    if (known && value !== undefined) environment[name] = value;
  }
  if (user === undefined) return environment;
  // The agent's temporary directory may be closed to another user.
  delete environment["TMPDIR"];
  return {
    ...environment,
    HOME: user.home,
    LOGNAME: user.name,
    SHELL: user.shell,
    USER: user.name,
  };
}
