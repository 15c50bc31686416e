import { formatDuration, IdentityError } from "../../identity/mod.ts";
import type { DrillFinding } from "../../identity/bot/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { collect, collectPins } from "./_tbot_options.ts";
import type { TbotRoot } from "./_tbot_options.ts";

/** `tbot drill`: rehearses theft, outage and rollback with machines of its own. */
export function addDrill(root: TbotRoot, host: TbotHost): void {
  root.command("drill")
    .description("Rehearse theft, outage and rollback, and tell how long each took to be noticed")
    .requiredOption("--proxy-server <host:port>", "public address of the cluster")
    .requiredOption("--token <token>", "an unused join token of a bot; give two of them", collect)
    .option("--ca-pin <sha256:hex>", "pin of the cluster's CA; may be repeated", collectPins)
    .option("--renewal-interval <duration>", "that of the machines it stands for", "20m")
    .action(async ({ caPin, proxyServer, renewalInterval, token: tokens }) => {
      const [first, second, ...more] = tokens;
      if (first === undefined || second === undefined || first === second || more.length > 0) {
        throw new IdentityError("CONFIG_INVALID", "Cannot rehearse: it takes two join tokens", {
          hint:
            "Make them with `tctl tokens add --type=bot --bot=NAME`, best of a bot without roles",
        });
      }
      const { drill, parseBotConfig } = await import("../../identity/bot/mod.ts");
      const text = `version: v2\nstorage: {type: memory}\nrenewal_interval: ${renewalInterval}\n`;
      const { config } = parseBotConfig(text, "(options)", {
        proxyServer,
        ...(caPin && { caPins: caPin }),
        ...(root.opts().insecure && { insecure: true }),
      });
      const { clock, connect, signal } = host;
      const found = await drill({ config, tokens: [first, second], connect, clock, signal });
      for (const line of found.map((it) => told(it, config.renewalInterval))) {
        host.stdout.write(`${line}\n`);
      }
      host.stdout.write(
        "The two machines of this drill are locked now, as they should be. See `tctl lock ls`.\n",
      );
      const missed = found.filter(({ code }) => code === undefined).map(({ what }) => what);
      if (missed.length === 0) return;
      throw new IdentityError("CHECK_FAILED", `Not noticed: ${missed.join(", ")}`, {
        hint: "The cluster does not do what Postern promises: see what answers at its address",
      });
    });
}

function told({ code, noticed, settled, what }: DrillFinding, interval: number): string {
  const ms = (time: number) => `${Math.round(time)} ms`;
  if (code === undefined) return `${what}: not noticed`;
  switch (what) {
    case "outage":
      return `outage: noticed after ${ms(noticed)} (${code}), over ${
        ms(settled)
      } after the cluster ` +
        "was back";
    case "theft":
      return `theft: noticed ${
        ms(noticed)
      } after the owner's next renewal (${code}), which comes ` +
        `within ${formatDuration(interval)}; the thief was out ${ms(settled)} later`;
    case "rollback":
      return `rollback: noticed ${ms(noticed)} after the restored storage was used (${code}); ` +
        `whoever had the newer one was out ${ms(settled)} later`;
  }
}
