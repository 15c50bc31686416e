import { addCompletions } from "../completions.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { tbotRoot } from "./_tbot_options.ts";
import type { TbotRoot } from "./_tbot_options.ts";
import { addCheck } from "./tbot_check.ts";
import { addConfigure } from "./tbot_configure.ts";
import { addDrill } from "./tbot_drill.ts";
import { addInit } from "./tbot_init.ts";
import { addInstall } from "./tbot_install.ts";
import { addMigrate } from "./tbot_migrate.ts";
import { addKeypair } from "./tbot_keypair.ts";
import { addStart } from "./tbot_start.ts";
import { addWait } from "./tbot_wait.ts";

export type { TbotHost } from "./_tbot_host.ts";

/**
 * The commands of tbot. They throw: `IdentityError`, or commander's own error once it has told the
 * user on stderr. Whoever runs them turns either into an exit code.
 */
export function tbot(host: TbotHost): TbotRoot {
  const root = tbotRoot(host);
  addStart(root, host);
  addConfigure(root, host);
  addCheck(root, host);
  addKeypair(root, host);
  addWait(root, host);
  addDrill(root, host);
  addInit(root, host);
  addMigrate(root, host);
  addInstall(root, host);
  addCompletions(root, host);
  root.command("version").description("Print the version")
    .action(() => void host.stdout.write(`Postern v${host.version}\n`));
  return root;
}
