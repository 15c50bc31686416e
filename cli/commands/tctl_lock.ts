import { Option } from "@commander-js/extra-typings";
import type { LockSummary } from "../../identity/authority/admin/mod.ts";
import { formatTable } from "../table.ts";
import { formatOption, seconds } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** `tctl lock`: keeps a bot, a machine, whoever holds a role, or everybody from an app, at once. */
export function addLock(root: TctlRoot, tctl: Tctl): void {
  root.command("lock").description("Keep somebody out at once, and end open sessions")
    .option("--bot <name>", "the bot")
    .option("--instance <id>", "one instance, as `tctl bots instances ls` shows it")
    .addOption(new Option("--bot-instance-id <id>", "the original's name of --instance").hideHelp())
    .option("--role <name>", "whoever holds the role")
    .option("--app <name>", "everybody who uses the app")
    .option("--join-token <name>", "whoever joins or has joined by a bound_keypair token")
    .option("--server-id <id>", "an agent or a relay, as `tctl get hosts` shows it")
    .option("--ttl <duration>", "how long; until the lock is removed without it", seconds)
    .option("--message <text>", "what whoever is locked is told")
    .addOption(formatOption())
    .action(async ({ botInstanceId, format, serverId: host, ...options }) => {
      const instance = options.instance ?? botInstanceId;
      const request = {
        ...options,
        ...(instance === undefined ? {} : { instance }),
        ...(host === undefined ? {} : { host }),
      };
      const lock = await tctl.withAdmin((admin) => admin.addLock(request));
      if (format !== "text") await tctl.data(format, lock);
      else printLock(tctl, lock);
    });
}

export function printLock(tctl: Tctl, { ended, expires, name, silent = [] }: LockSummary): void {
  const until = expires === undefined ? "" : `, until ${expires}`;
  tctl.say(`Created a lock with name "${name}"${until}`, `Remove it with: tctl rm lock/${name}`);
  for (const host of silent) tctl.say(`Agent ${host} has not said whether it ended sessions.`);
  if (ended.length === 0) return tctl.say("No open session was ended.");
  tctl.say(`Ended ${ended.length} open ${ended.length === 1 ? "session" : "sessions"}:`);
  tctl.host.stdout.write(formatTable(
    ["Session", "Bot", "App", "At", "Gone after"],
    ended.map(({ session, bot, app, host = "here", milliseconds }) => [
      session,
      bot,
      app,
      host,
      milliseconds === undefined ? "not yet" : `${milliseconds} ms`,
    ]),
  ));
}
