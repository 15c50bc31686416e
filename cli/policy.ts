/** `policy`, for use without a cluster: `deno run --allow-read cli/policy.ts lint role.yaml`. */
import process from "node:process";
import { policy } from "./commands/policy.ts";
import { host } from "./host.ts";
import { run } from "./run.ts";

process.exitCode = await run(policy, host);
