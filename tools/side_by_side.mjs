// Runs Deno tasks at the same time, since each spends much of its time waiting for others. The
// output of the first is shown as it comes, that of the others when their turn comes, whole.
// Fails with the first exit code that is not 0, after all of them have ended.
import { spawn } from "node:child_process";
import process from "node:process";

const ends = process.argv.slice(2).map((task, index) => {
  const shown = index === 0 ? "inherit" : "pipe";
  const child = spawn("deno", ["task", task], { stdio: ["ignore", shown, shown] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => output.push(chunk));
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve) => {
    child.on("error", (cause) => {
      console.error(`error: cannot start deno task ${task}: ${cause.message}`);
      resolve({ code: 127, output });
    });
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
});
for (const end of ends) {
  const { code, output } = await end;
  for (const chunk of output) process.stdout.write(chunk);
  process.exitCode ||= code;
}
