// A cluster whose parts are all apart, each on a machine of its own: two authorities on one
// PostgreSQL, two relays, two agents that serve the same app, and a machine with tbot and bridges.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  botFile,
  currentUser,
  eventually,
  GUIDE_ROLE,
  nodePath,
  pinIn,
  runProgram,
  tokenIn,
} from "../../tests/support/cluster_process.ts";
import { startPostgres } from "../../tests/support/postgres_server.ts";
import { Caller } from "./_caller.ts";
import { IdentityWatch } from "./_identity_watch.ts";
import { type Machine, Network } from "./_network.ts";
import { Part } from "./_part.ts";

const SERVER = fileURLToPath(new URL("../../tests/support/counting_server.mjs", import.meta.url));
const APP = "counting";
const CALLERS = 4;

/** Longer than what is gone stays away, and short, so that sessions move to new certificates. */
const LIFETIMES = "credential_ttl: 3m\nrenewal_interval: 5s\n";

export interface Database {
  readonly machine: Machine;
  stop(): void;
  start(): void;
}

export class Stage {
  readonly directory = mkdtempSync(join(tmpdir(), "stage-"));
  readonly effects = join(this.directory, "effects");
  readonly callers: Caller[] = [];
  readonly machines: Machine[] = [];
  readonly #network = Network.open();
  database!: Database;
  authorities: readonly Part[] = [];
  relays: readonly Part[] = [];
  agents: readonly Part[] = [];
  tbot!: Part;
  watch!: IdentityWatch;
  #conn = "";
  #pin = "";

  /** Everything runs, and calls are made. */
  static async set(): Promise<Stage> {
    const stage = new Stage();
    writeFileSync(stage.effects, "");
    await stage.#startDatabase();
    const first = await stage.#startAuthority("authority-1");
    await stage.#administer(first);
    const second = await stage.#startAuthority("authority-2");
    stage.authorities = [first, second];
    stage.relays = [
      await stage.#startRelay("relay-1", first),
      await stage.#startRelay("relay-2", second),
    ];
    stage.agents = await Promise.all(
      stage.relays.map((relay, at) => stage.#startAgent(`agent-${at + 1}`, relay)),
    );
    await stage.#startBot();
    for (let number = 1; number <= CALLERS; number++) stage.callers.push(stage.newCaller(number));
    await Promise.all(stage.callers.map((caller) => caller.start()));
    return stage;
  }

  get parts(): readonly Part[] {
    return [...this.authorities, ...this.relays, ...this.agents, this.tbot];
  }

  /** Ends everything, each part as it should end. */
  async strike(): Promise<void> {
    const codes = await Promise.all(this.callers.map((caller) => caller.stop()));
    assert.deepEqual(codes, this.callers.map(() => 0), "exit codes of bridges");
    this.watch.stop();
    for (const parts of [[this.tbot], this.agents, this.relays, this.authorities]) {
      await Promise.all(parts.map((part) => part.stop()));
    }
    this.database.stop();
  }

  /** A client that calls once it is started; its number is its own. */
  newCaller(number: number): Caller {
    const { machine } = this.tbot;
    const relay = this.relays[number % this.relays.length]!;
    const proxy = `${relay.machine.address}:3080`;
    const { watch: { path: identity }, directory: cwd } = this;
    return new Caller({ number, machine, identity, proxy, app: APP, cwd });
  }

  #machine(name: string): Machine {
    const machine = this.#network.add(name);
    this.machines.push(machine);
    mkdirSync(join(this.directory, name));
    return machine;
  }

  async #startDatabase(): Promise<void> {
    const machine = this.#machine("database");
    const { newDatabase, stop, start } = await startPostgres({ at: machine });
    this.#conn = `${await newDatabase()}?sslmode=disable`;
    this.database = { machine, stop, start };
  }

  #startAuthority(name: string): Promise<Part> {
    const machine = this.#machine(name);
    return this.#startPart(machine, [
      "auth_service:",
      "  cluster_name: example.test",
      `  listen_addr: ${machine.address}:3025`,
      "proxy_service: {enabled: no}",
      "app_service: {enabled: no}",
    ], `  storage: {type: postgresql, conn_string: '${this.#conn}'}\n`);
  }

  async #administer(authority: Part): Promise<void> {
    this.#pin = pinIn(await this.#tctl(authority, "status"));
    const role = join(this.directory, "role.yaml");
    writeFileSync(role, GUIDE_ROLE);
    await this.#tctl(authority, "create", role);
    await this.#tctl(authority, "bots", "add", "example", "--roles=example-role");
  }

  async #startRelay(name: string, authority: Part): Promise<Part> {
    const machine = this.#machine(name);
    const token = tokenIn(await this.#tctl(authority, "tokens", "add", "--type=proxy"));
    const address = `${machine.address}:3080`;
    return await this.#startPart(machine, [
      "auth_service: {enabled: no}",
      `proxy_service: {web_listen_addr: '${address}', public_addr: '${address}', drain_timeout: 1s}`,
      "app_service: {enabled: no}",
    ], this.#joining(`auth_server: ${authority.machine.address}:3025`, token));
  }

  async #startAgent(name: string, relay: Part): Promise<Part> {
    const machine = this.#machine(name);
    const [authority] = this.authorities;
    const add = ["tokens", "add", "--type=app", `--apps=${APP}`];
    const token = tokenIn(await this.#tctl(authority!, ...add));
    return await this.#startPart(machine, [
      "auth_service: {enabled: no}",
      "proxy_service: {enabled: no}",
      "app_service:",
      "  apps:",
      `    - name: ${APP}`,
      "      labels: {env: dev}",
      `      mcp: {command: '${nodePath()}', args: ['${SERVER}', '${this.effects}'], run_as_host_user: ${currentUser()}}`,
    ], this.#joining(`proxy_server: ${relay.machine.address}:3080`, token));
  }

  async #startBot(): Promise<void> {
    const machine = this.#machine("machine");
    const cwd = join(this.directory, machine.name);
    const add = ["tokens", "add", "--type=bot", "--bot=example"];
    const token = tokenIn(await this.#tctl(this.authorities[0]!, ...add));
    const proxy = `${this.relays[0]!.machine.address}:3080`;
    const file = botFile({ proxy, token, pin: this.#pin });
    writeFileSync(join(cwd, "tbot.yaml"), file + LIFETIMES);
    const args = ["start", "-c", "tbot.yaml"];
    this.tbot = new Part({ machine, program: "tbot", args, cwd });
    await this.tbot.start();
    const identity = join(cwd, "machine-id", "identity");
    await eventually(() => {
      try {
        return readFileSync(identity).length > 0;
      } catch {
        return false;
      }
    }, "tbot has written the identity");
    this.watch = new IdentityWatch(identity);
  }

  #joining(way: string, token: string): string {
    return `  ${way}\n  ca_pin: ${this.#pin}\n  join_params: {method: token, token_name: ${token}}\n`;
  }

  async #startPart(
    machine: Machine,
    sections: readonly string[],
    teleport: string,
  ): Promise<Part> {
    const cwd = join(this.directory, machine.name);
    const head = `teleport:\n  data_dir: ${join(cwd, "data")}\n${teleport}`;
    writeFileSync(join(cwd, "teleport.yaml"), `${head}${sections.join("\n")}\n`);
    const part = new Part({
      machine,
      program: "app-agent",
      args: ["start", "-c", "teleport.yaml"],
      cwd,
      ready: (stdout) => stdout.includes(" is ready"),
    });
    await part.start();
    return part;
  }

  async #tctl(authority: Part, ...args: string[]): Promise<string> {
    const file = join(this.directory, authority.name, "teleport.yaml");
    const { code, stdout, stderr } = await runProgram("tctl", ["-c", file, ...args]);
    assert.equal(code, 0, `tctl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}
