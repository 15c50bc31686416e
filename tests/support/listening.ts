import { spawn } from "node:child_process";
import type { TestContext } from "./harness.ts";

/** Starts a server that says where it listens, on loopback; `host:port` of it. */
export async function listening(
  [command = "", ...args]: readonly string[],
  context: TestContext,
): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  const gone = new Promise((resolve) => child.once("close", resolve));
  context.cleanup(() => {
    child.kill("SIGKILL");
    return gone;
  });
  return await new Promise((resolve, reject) => {
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const port = /(?:LISTENING |127\.0\.0\.1:)(\d+)/.exec(said += chunk)?.[1];
      if (port !== undefined) resolve(`127.0.0.1:${port}`);
    });
    void gone.then(() => reject(new Error(`the server ended: ${said}`)));
  });
}
