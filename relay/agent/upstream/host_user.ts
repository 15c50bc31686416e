/**
 * Which local user an MCP server runs as. `run_as_host_user` is a promise about privileges, so
 * whatever cannot be kept is an error; nothing runs as the agent's own user instead.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { RelayError } from "../../error.ts";

export interface HostUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** The user is in groups besides its own; `setpriv` is needed to give it those. */
  readonly hasMoreGroups: boolean;
}

/** What the system knows and who we are; tests give their own. */
export interface HostUsers {
  readonly passwd: string;
  readonly group: string;
  readonly uid: number;
}

/** The user to change to, or `undefined` if the agent already runs as that one. */
export function findHostUser(name: string, users: HostUsers = readUsers()): HostUser | undefined {
  const entry = users.passwd.split("\n").map((line) => line.split(":"))
    .find(([user]) => user === name);
  const uid = Number(entry?.[2]);
  const gid = Number(entry?.[3]);
  if (name === "" || entry === undefined || !Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new RelayError(
      "CONFIG_INVALID",
      `Cannot run an MCP server as user "${name}": this machine has no such user`,
      { hint: "Create the user, or correct run_as_host_user" },
    );
  }
  if (uid === users.uid) return undefined;
  if (users.uid !== 0) {
    throw new RelayError(
      "CONFIG_INVALID",
      `Cannot run an MCP server as user "${name}": only root may change users`,
      { hint: `Run the agent as root or as "${name}", or correct run_as_host_user` },
    );
  }
  const hasMoreGroups = users.group.split("\n").map((line) => line.split(":"))
    .some(([, , id, members]) =>
      Number(id) !== gid && (members ?? "").trim().split(",").includes(name)
    );
  return { name, uid, gid, home: entry[5] || "/", shell: entry[6] || "/bin/sh", hasMoreGroups };
}

function readUsers(): HostUsers {
  const read = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      // No such file means no such user, which is said in the words of the caller.
      return "";
    }
  };
  return {
    passwd: read("/etc/passwd"),
    group: read("/etc/group"),
    uid: process.getuid?.() ?? -1,
  };
}
