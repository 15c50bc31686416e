import { Option } from "@commander-js/extra-typings";
import type { LockSummary } from "../../identity/authority/admin/mod.ts";
import { IdentityError } from "../../identity/mod.ts";
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
    .option("--expires <time>", "until when (RFC 3339), in place of --ttl")
    .option("--message <text>", "what whoever is locked is told")
    .addOption(formatOption())
    .action(async ({ botInstanceId, expires, format, serverId: host, ttl, ...options }) => {
      const instance = options.instance ?? botInstanceId;
      const request = {
        ...options,
        ...duration({ ttl, expires }, tctl.host.clock.now()),
        ...(instance === undefined ? {} : { instance }),
        ...(host === undefined ? {} : { host }),
      };
      const lock = await tctl.withAdmin((admin) => admin.addLock(request));
      if (format !== "text") await tctl.data(format, lock);
      else printLock(tctl, lock);
    });
}

/** How long a lock is to hold, however that was said; as the administration takes it. */
export function duration(
  { expires, ttl }: { readonly expires?: string | undefined; readonly ttl?: number | undefined },
  now: Date,
): { readonly ttl?: number } {
  if (expires === undefined) return ttl === undefined ? {} : { ttl };
  const refuse = (found: string, hint: string) =>
    new IdentityError("BAD_REQUEST", `Cannot lock until ${JSON.stringify(expires)}: ${found}`, {
      hint,
    });
  if (ttl !== undefined) throw refuse("--ttl says something else", "Give one of the two");
  const left = Math.floor((Date.parse(expires) - now.getTime()) / 1000);
  if (!RFC_3339.test(expires) || Number.isNaN(left)) {
    throw refuse("that is no time", "Write one such as 2030-01-31T12:00:00Z");
  }
  if (left < 1) throw refuse("that has passed", "Give a time to come");
  return { ttl: left };
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

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
