import { Option } from "@commander-js/extra-typings";
import type { LockSummary } from "../../identity/authority/admin/mod.ts";
import { seconds } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** `tctl lock`: keeps a bot or one machine out, at once. */
export function addLock(root: TctlRoot, tctl: Tctl): void {
  root.command("lock").description("Keep a bot, or one machine of it, out at once")
    .option("--bot <name>", "the bot")
    .option("--instance <id>", "one instance, as `tctl bots instances ls` shows it")
    .addOption(new Option("--bot-instance-id <id>", "the original's name of --instance").hideHelp())
    .option("--ttl <duration>", "how long; until the lock is removed without it", seconds)
    .option("--message <text>", "what whoever is locked is told")
    .action(async ({ botInstanceId, ...options }) => {
      const instance = options.instance ?? botInstanceId;
      const request = { ...options, ...(instance === undefined ? {} : { instance }) };
      printLock(tctl, await tctl.withAdmin((admin) => admin.addLock(request)));
    });
}

export function printLock(tctl: Tctl, { name, expires }: LockSummary): void {
  const until = expires === undefined ? "" : `, until ${expires}`;
  tctl.say(`Created a lock with name "${name}"${until}`, `Remove it with: tctl rm lock/${name}`);
}
