import type { InstanceSummary, UpdateBotRequest } from "../../identity/authority/admin/mod.ts";
import { IdentityError } from "../../identity/mod.ts";
import { formatTable } from "../table.ts";
import { visible } from "../visible.ts";
import { botInstructions, joinInstructions } from "./_bot_instructions.ts";
import { formatOption, names, seconds } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";
import { duration, printLock } from "./tctl_lock.ts";

const NANOSECONDS = 1_000_000_000;

/** `tctl bots …`: machines that may join. */
export function addBots(root: TctlRoot, tctl: Tctl): void {
  const bots = root.command("bots").alias("bot").description("Machines that may join the cluster");
  addAdd(bots, tctl);
  addUpdate(bots, tctl);

  bots.command("ls").description("List bots").addOption(formatOption())
    .action(async ({ format }) => {
      const found = await tctl.withAdmin((admin) => admin.listBots({}));
      if (format !== "text") return tctl.data(format, found);
      if (found.length === 0) return tctl.say("No bots found");
      tctl.host.stdout.write(formatTable(
        ["Bot", "User", "Roles", ""],
        found.map(({ name, roles, locked }) => [
          name,
          `bot-${name}`,
          roles.join(","),
          locked ? "locked" : "",
        ]),
      ));
    });

  bots.command("rm").description("Remove a bot with its instances and tokens")
    .argument("<name>")
    .action(async (name) => {
      await tctl.withAdmin((admin) => admin.removeBot({ name }));
      tctl.say(`Bot "${name}" deleted successfully.`);
    });

  bots.command("lock").description("Keep a bot out")
    .argument("<name>")
    .option("--ttl <duration>", "how long; until the lock is removed without it", seconds)
    .option("--expires <time>", "until when (RFC 3339), in place of --ttl")
    .option("--message <text>", "what the bot is told")
    .action(async (bot, { expires, ttl, ...options }) => {
      const request = { bot, ...options, ...duration({ ttl, expires }, tctl.host.clock.now()) };
      printLock(tctl, await tctl.withAdmin((admin) => admin.addLock(request)));
    });

  addInstances(bots.command("instances").description("Machines that have joined as a bot"), tctl);
}

type Group = ReturnType<TctlRoot["command"]>;

function addAdd(bots: Group, tctl: Tctl): void {
  bots.command("add").description("Create a bot, and a token for its first machine")
    .argument("<name>")
    .option("--roles <names>", "roles of the bot, with commas between them", names)
    .option("--logins <names>", "logins trait of the bot", names)
    .option("--ttl <duration>", "how long the token is good for (1h)", seconds)
    .option("--token <token>", "a token that exists already, for this bot")
    .option("--max-session-ttl <duration>", "the longest session", seconds)
    .addOption(formatOption())
    .action(async (name, { format, roles = [], logins, ...options }) => {
      const bot = await tctl.withAdmin((admin) =>
        admin.addBot({ name, roles, ...options, ...(logins ? { traits: { logins } } : {}) })
      );
      if (format === "text") return tctl.say(...botInstructions(bot));
      await tctl.data(format, {
        user_name: `bot-${name}`,
        role_name: `bot-${name}`,
        token_id: bot.token,
        // The original's duration type is a number of nanoseconds.
        ...(bot.ttl !== undefined && { token_ttl: bot.ttl * NANOSECONDS }),
        bot_name: name,
        roles: bot.roles,
        ...(bot.expires !== undefined && { expires: bot.expires }),
        ca_pins: bot.caPins,
        ...(bot.publicAddress === undefined ? {} : { proxy_server: bot.publicAddress }),
      });
    });
}

function addUpdate(bots: Group, tctl: Tctl): void {
  bots.command("update").description("Change a bot")
    .argument("<name>")
    .option("--set-roles <names>", "these roles in place of those it has", names)
    .option("--add-roles <names>", "these roles as well", names)
    .option("--set-logins <names>", "these logins in place of those it has", names)
    .option("--add-logins <names>", "these logins as well", names)
    .option("--set-max-session-ttl <duration>", "the longest session", seconds)
    .action(async (name, options) => {
      const request: UpdateBotRequest = { name, ...options };
      if (Object.keys(options).length === 0) return tctl.say("No changes requested");
      const { changed, bot } = await tctl.withAdmin((admin) => admin.updateBot(request));
      if (!changed) return tctl.say(`Bot "${name}" is like that already`);
      tctl.say(
        `Bot "${name}" has been updated, roles: ${bot.roles.join(", ") || "none"}`,
        "What it lost is lost now; what it gained comes when tbot renews its certificates.",
      );
    });
}

/** What the machine said of itself; `visible` keeps it on its line. */
function heartbeatLines(heartbeat: NonNullable<InstanceSummary["heartbeat"]>): string[] {
  const { hostname, last_error: last, seen, services, started, version } = heartbeat;
  return [
    `Host        ${hostname}`,
    `Version     ${version}`,
    `Started     ${started}`,
    `Heard of    ${seen}`,
    ...services.map(({ name, reason, status }) =>
      `Service     ${name}: ${status}${reason === undefined ? "" : `, ${reason}`}`
    ),
    ...(last ? [`Last error  ${last.at} ${last.service}: ${last.reason}`] : []),
  ].map(visible);
}

function addInstances(instances: Group, tctl: Tctl): void {
  instances.command("add").description("Make a token for one more machine of a bot")
    .argument("<bot>")
    .option("--ttl <duration>", "how long it is good for (30m)", seconds)
    .addOption(formatOption())
    .action(async (bot, { format, ...options }) => {
      const { caPins, publicAddress, ...token } = await tctl.withAdmin(async (admin) => ({
        // What may be refused comes first, so that nobody has a token and no way to use it.
        ...await admin.status({}),
        ...await admin.addToken({ bot, ...options }),
      }));
      if (format === "text") {
        return tctl.say(...joinInstructions({
          ...token,
          method: "token",
          caPins,
          ...(publicAddress === undefined ? {} : { publicAddress }),
        }));
      }
      await tctl.data(format, {
        bot_name: bot,
        token_id: token.token,
        token_ttl: token.ttl * NANOSECONDS,
        expires: token.expires,
        ca_pins: caPins,
        ...(publicAddress === undefined ? {} : { proxy_server: publicAddress }),
      });
    });

  instances.command("show").description("Show one machine that has joined")
    .argument("<instance>", "as `ls` shows it, with or without the bot's name")
    .addOption(formatOption())
    .action(async (text, { format }) => {
      const id = text.slice(text.lastIndexOf("/") + 1);
      const found = await tctl.withAdmin((admin) => admin.listInstances({}));
      const instance = found.find((each) => each.instance === id);
      if (instance === undefined) {
        throw new IdentityError("NOT_FOUND", `bot instance "${text}" does not exist`, {
          hint: "`tctl bots instances ls` shows those that there are",
        });
      }
      if (format !== "text") return tctl.data(format, instance);
      const { bot, generation, health = "unknown", heartbeat, joined, locked, method } = instance;
      const { renewed, token } = instance;
      tctl.say(
        `Bot         ${bot}`,
        `Instance    ${id}`,
        `Generation  ${generation}`,
        `Method      ${method}${token === undefined ? "" : ` (${token})`}`,
        `Joined      ${joined}`,
        `Renewed     ${renewed}`,
        `Locked      ${locked ? "yes" : "no"}`,
        `Health      ${health}`,
        ...(heartbeat ? heartbeatLines(heartbeat) : []),
      );
    });
  instances.command("ls").alias("list").description("List the machines that have joined")
    .argument("[bot]")
    .addOption(formatOption())
    .action(async (bot, { format }) => {
      const found = await tctl.withAdmin((admin) =>
        admin.listInstances(bot === undefined ? {} : { bot })
      );
      if (format !== "text") return tctl.data(format, found);
      if (found.length === 0) return tctl.say("No bot instances found");
      tctl.host.stdout.write(formatTable(
        ["Instance", "Generation", "Method", "Joined", "Renewed", "Host", "Version", "Health", ""],
        found.map((
          { bot, instance, generation, joined, method, renewed, health, heartbeat, locked },
        ) => [
          `${bot}/${instance}`,
          String(generation),
          method,
          joined,
          renewed,
          heartbeat?.hostname ?? "",
          heartbeat?.version ?? "",
          health ?? "",
          locked ? "locked" : "",
        ]),
      ));
    });
}
