/** tbot, the machine's own agent: joins it to the cluster and keeps its identity fresh. */
import process from "node:process";
import { tbot } from "./commands/tbot.ts";
import { host } from "./host.ts";
import { run } from "./run.ts";

process.exitCode = await run(async () => {
  await tbot(host).parseAsync(host.args, { from: "user" });
}, host);
