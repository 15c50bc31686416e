// The guide's cluster with its role and its bot, on the compiled programs, up to a given step.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  botFile,
  type ClusterFileOptions,
  ClusterProcess,
  type Finished,
  GUIDE_ROLE,
  pinIn,
  program,
  type ProgramName,
  runProgram,
  tokenIn,
} from "./cluster_process.ts";
import type { TestContext } from "./harness.ts";
import { McpClient } from "./mcp_client.ts";

export const APP = "my-mcp-server";

export class Guide {
  readonly cluster: ClusterProcess;
  /** `sha256:…` of the running cluster. */
  readonly pin: string;
  readonly #context: TestContext;

  private constructor(context: TestContext, cluster: ClusterProcess, pin: string) {
    this.#context = context;
    this.cluster = cluster;
    this.pin = pin;
  }

  /** The part of a test that knows a running cluster. */
  static of(context: TestContext, cluster: ClusterProcess, pin: string): Guide {
    return new Guide(context, cluster, pin);
  }

  /** A running cluster, with the guide's role and its bot `example`, which has the role. */
  static async start(context: TestContext, options: ClusterFileOptions = {}): Promise<Guide> {
    const directory = mkdtempSync(join(tmpdir(), "postern-scenario-"));
    context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
    const cluster = await ClusterProcess.create(directory, options);
    context.cleanup(() => cluster.stop());
    await cluster.start();
    const guide = new Guide(context, cluster, pinIn((await cluster.tctl(["status"])).stdout));
    guide.write("role.yaml", GUIDE_ROLE);
    await guide.tctl("create", "-f", "role.yaml");
    await guide.tctl("bots", "add", "example", "--roles", "example-role");
    return guide;
  }

  get directory(): string {
    return this.cluster.directory;
  }

  get identity(): string {
    return join(this.directory, "machine-id", "identity");
  }

  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Gives the guide's role other tools: a list in YAML's flow style. */
  async allow(tools: string): Promise<void> {
    const role = GUIDE_ROLE.replace("version: v6", "version: v8").replace("['*']", tools);
    this.write("role.yaml", role);
    await this.tctl("create", "-f", "role.yaml");
  }

  /** Runs tctl, which must succeed; what it prints. */
  async tctl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cluster.tctl(args);
    assert.equal(code, 0, `tctl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  run(name: ProgramName, ...args: string[]): Promise<Finished> {
    return runProgram(name, args, { cwd: this.directory });
  }

  /** A fresh token of the bot. */
  async token(...args: string[]): Promise<string> {
    return tokenIn(await this.tctl("tokens", "add", "--type=bot", "--bot=example", ...args));
  }

  /** Writes `tbot.yaml`; whatever is not given is the guide's. */
  async writeBotFile(
    options: Partial<Parameters<typeof botFile>[0]> = {},
    name = "tbot.yaml",
  ): Promise<void> {
    this.write(
      name,
      botFile({
        proxy: this.cluster.proxy,
        token: options.token ?? await this.token(),
        pin: this.pin,
        storage: join(this.directory, "bot"),
        destination: join(this.directory, "machine-id"),
        ...options,
      }),
    );
  }

  /** Writes the identity, by running tbot once. */
  async join(): Promise<void> {
    await this.writeBotFile();
    const { code, stderr } = await this.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
    assert.equal(code, 0, stderr);
  }

  /** The command line of the bridge. */
  connectLine({ identity = this.identity, proxy = this.cluster.proxy, app = APP } = {}): string[] {
    return ["mcp", "connect", "-i", identity, "--proxy", proxy, app];
  }

  /** Opens an MCP session through the bridge. */
  async open(line: Parameters<Guide["connectLine"]>[0] = {}): Promise<McpClient> {
    const client = await McpClient.open({
      command: program("tsh"),
      args: this.connectLine(line),
      cwd: this.directory,
    });
    this.#context.cleanup(() => client.close());
    return client;
  }
}
