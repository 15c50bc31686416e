// Authority, relays and agents as processes of their own, joined by tokens, on the compiled programs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { generateKeyPair, parseProxy } from "../../identity/mod.ts";
import {
  botFile,
  currentUser,
  EVERYTHING,
  freePort,
  GUIDE_ROLE,
  nodePath,
  pinIn,
  program,
  RunningProgram,
  runProgram,
  tokenIn,
} from "./cluster_process.ts";
import type { TestContext } from "./harness.ts";
import { McpClient } from "./mcp_client.ts";

/** A relay or an agent that has joined. */
export interface Part {
  readonly process: RunningProgram;
  /** Its host id. */
  readonly host: string;
  /** `127.0.0.1:<port>` of a relay. */
  readonly proxy: string;
}

export class ApartCluster {
  readonly directory: string;
  readonly #context: TestContext;
  /** `127.0.0.1:<port>` of the authority's own port. */
  readonly authority: string;
  authorityProcess!: RunningProgram;
  pin = "";

  private constructor(context: TestContext, directory: string, authority: string) {
    this.#context = context;
    this.directory = directory;
    this.authority = authority;
  }

  /** A running authority with the guide's role and bot, and nothing else. */
  static async start(context: TestContext): Promise<ApartCluster> {
    const directory = mkdtempSync(join(tmpdir(), "postern-apart-"));
    context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
    const cluster = new ApartCluster(context, directory, `127.0.0.1:${await freePort()}`);
    cluster.authorityProcess = await cluster.#run("authority", [
      "auth_service:",
      "  cluster_name: example.test",
      `  listen_addr: ${cluster.authority}`,
      "proxy_service: {enabled: no}",
      "app_service: {enabled: no}",
    ], "");
    cluster.pin = pinIn(await cluster.tctl("status"));
    cluster.write("role.yaml", GUIDE_ROLE);
    await cluster.tctl("create", "role.yaml");
    await cluster.tctl("bots", "add", "example", "--roles=example-role");
    return cluster;
  }

  async startRelay(name: string): Promise<Part> {
    const token = tokenIn(await this.tctl("tokens", "add", "--type=proxy"));
    const proxy = `127.0.0.1:${await freePort()}`;
    const process = await this.#run(name, [
      "auth_service: {enabled: no}",
      `proxy_service: {web_listen_addr: '${proxy}', public_addr: '${proxy}', drain_timeout: 1s}`,
      "app_service: {enabled: no}",
    ], this.#joining(`auth_server: ${this.authority}`, token));
    return { process, proxy, host: hostIn(process.stdout) };
  }

  /** An agent that serves one app, and finds the authority through `way`. */
  async startAgent(name: string, app: string, way: string): Promise<Part> {
    const token = tokenIn(await this.tctl("tokens", "add", "--type=app", `--apps=${app}`));
    const process = await this.#run(name, [
      "auth_service: {enabled: no}",
      "proxy_service: {enabled: no}",
      "app_service:",
      "  authority_away: {refuse_after: 5s, end_after: 6s}",
      "  apps:",
      `    - name: ${app}`,
      "      labels: {env: dev}",
      `      mcp: {command: '${nodePath()}', args: ['${EVERYTHING}'], run_as_host_user: ${currentUser()}}`,
    ], this.#joining(way, token));
    return { process, proxy: "", host: hostIn(process.stdout) };
  }

  /** Joins the guide's bot through a relay, and writes its identity. */
  async join(proxy: string): Promise<void> {
    const token = tokenIn(await this.tctl("tokens", "add", "--type=bot", "--bot=example"));
    const { directory, pin } = this;
    const storage = join(directory, "bot");
    const destination = join(directory, "machine-id");
    this.write("tbot.yaml", botFile({ proxy, token, pin, storage, destination }));
    const args = ["start", "-c", "tbot.yaml", "--oneshot"];
    const { code, stderr } = await runProgram("tbot", args, { cwd: directory });
    assert.equal(code, 0, stderr);
  }

  /** Tries to join with a token that is none, from an address of this machine; the answer's body. */
  async guess(proxy: string, localAddress: string): Promise<string> {
    const { host, port } = parseProxy(proxy);
    const { publicKey } = generateKeyPair();
    const request = https.request({
      host,
      port,
      localAddress,
      path: "/postern/v1/join",
      method: "POST",
      rejectUnauthorized: false,
      agent: false,
      headers: { "content-type": "application/json" },
    });
    request.end(JSON.stringify({ method: "token", token: "0".repeat(32), publicKey, ttl: 600 }));
    const [response] = await once(request, "response") as [IncomingMessage];
    return await text(response);
  }

  /** Opens an MCP session through a relay. */
  async open(app: string, proxy: string): Promise<McpClient> {
    const identity = join(this.directory, "machine-id", "identity");
    const client = await McpClient.open({
      command: program("tsh"),
      args: ["mcp", "connect", "-i", identity, "--proxy", proxy, app],
      cwd: this.directory,
    });
    this.#context.cleanup(() => client.close());
    return client;
  }

  async tctl(...args: string[]): Promise<string> {
    const file = join("authority", "teleport.yaml");
    const { code, stdout, stderr } = await runProgram("tctl", ["-c", file, ...args], {
      cwd: this.directory,
    });
    assert.equal(code, 0, `tctl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  #joining(way: string, token: string): string {
    return `  ${way}\n  ca_pin: ${this.pin}\n  join_params: {method: token, token_name: ${token}}\n`;
  }

  async #run(
    name: string,
    sections: readonly string[],
    teleport: string,
  ): Promise<RunningProgram> {
    const cwd = join(this.directory, name);
    mkdirSync(cwd);
    const head = `teleport:\n  data_dir: ${join(cwd, "data")}\n${teleport}`;
    writeFileSync(join(cwd, "teleport.yaml"), `${head}${sections.join("\n")}\n`);
    const process = new RunningProgram("app-agent", ["start", "-c", "teleport.yaml"], { cwd });
    this.#context.cleanup(() => process.stop());
    await process.until(() => process.stdout.includes(" is ready"), "it was ready");
    return process;
  }
}

function hostIn(stdout: string): string {
  const host = /(?:relay|agent) +([0-9a-f]{32})/.exec(stdout)?.[1];
  if (host === undefined) throw new Error(`there is no host id in: ${stdout}`);
  return host;
}
