/** app-agent, the service side of a cluster; called as `tctl` it administers one. */
import process from "node:process";
import { appAgent } from "./commands/app_agent.ts";
import { host } from "./host.ts";
import { run } from "./run.ts";

process.exitCode = await run(appAgent, host);
