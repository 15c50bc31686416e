// A process that hosts a server with a reaper beside it, for a test to kill. Run as `reaper`, it is
// the reaper.
import process from "node:process";
import { silentLog } from "../../identity/mod.ts";
import { Reaper, runReaper, spawnReaper } from "../../relay/agent/reaper.ts";
import { startStdioServer } from "../../relay/agent/upstream/stdio.ts";
import { fixtureApp } from "./relay_cluster.ts";

const [mode, ...command] = process.argv.slice(2);
if (mode === "reaper") {
  await runReaper(process.stdin);
  process.exit(0);
}
const [program, ...args] = command;
const reaper = new Reaper(() => spawnReaper(program!, [...args, "reaper"]), silentLog);
const ignore = () => {};
await startStdioServer({ app: fixtureApp("stubborn", "stubborn"), log: silentLog, reaper }, {
  onMessage: (line) => void process.stdout.write(`${line}\n`),
  onOversized: ignore,
  onExit: ignore,
});
setInterval(ignore, 1000);
