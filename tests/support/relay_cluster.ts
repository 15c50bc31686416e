// A cluster in one process with real certificates, a real public port and a real agent; only the
// authority is played: it issues what a test asks for.
import { randomBytes, randomUUID } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  type App,
  type AuditSink,
  type AuthorityClient,
  type ClusterView,
  type EventDraft,
  type EventJson,
  type HostClaims,
  IdentityError,
  type Locked,
  type News,
  type SessionClaims,
  type SessionGrant,
  silentLog,
  spiffeId,
  type Standing,
  systemClock,
} from "../../identity/mod.ts";
import { type Ca, createCa, issueCertificate } from "../../identity/x509/mod.ts";
import { generateKeyPair } from "../../identity/mod.ts";
import type { Role } from "../../policy/mod.ts";
import { Agent, type AgentOptions } from "../../relay/agent/mod.ts";
import { type Listener, startListener } from "../../relay/proxy/mod.ts";
import { testRole } from "./role.ts";

export const CLUSTER = "test.example.com";
const HOST: HostClaims = { kind: "host", role: "agent", host: "ab".repeat(16) };
const DAY = 86_400_000;
/** The user that tests run as. */
const ME = execFileSync("id", ["-un"], { encoding: "utf8" }).trim();

/** What a test may change while sessions are open. */
export class FakeView implements ClusterView {
  readonly cluster = CLUSTER;
  readonly apps = new Map<string, App>();
  readonly roles = new Map<string, Role>();
  cas: string[] = [];
  state: Standing = { kind: "live", roles: ["tester"], traits: {} };
  readonly #listeners = new Set<() => void>();

  userCas = () => this.cas;
  app = (name: string) => this.apps.get(name);
  role = (name: string) => this.roles.get(name);
  standing = () => this.state;
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  /** Roles and apps that are locked, and why. */
  readonly locks = new Map<string, string>();
  locked(roles: readonly string[], app: string): Locked | undefined {
    for (const what of [...roles.map((role) => `role "${role}"`), `app "${app}"`]) {
      const message = this.locks.get(what);
      if (message !== undefined) return { what, message };
    }
    return undefined;
  }
  age: News = "fresh";
  news = () => this.age;
  approved(): undefined {
    return undefined;
  }
  get subscribers(): number {
    return this.#listeners.size;
  }
  /** Changes something and tells everyone. */
  change(act: () => void): void {
    act();
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Keeps events, and can be told to fail or to wait. */
export class FakeAudit implements AuditSink {
  readonly events: EventDraft[] = [];
  before: (event: EventDraft) => Promise<void> = () => Promise.resolve();
  async append(given: EventDraft | EventJson): Promise<void> {
    const event: EventDraft = typeof given === "string" ? JSON.parse(given) : given;
    await this.before(event);
    this.events.push(event);
  }
  of(type: string): EventDraft[] {
    return this.events.filter((event) => event.type === type);
  }
}

export interface Cluster {
  readonly view: FakeView;
  readonly audit: FakeAudit;
  readonly agent: Agent;
  readonly listener: Listener;
  /** `host:port` of the public port. */
  readonly proxy: string;
  readonly userCa: Ca;
  readonly hostCa: Ca;
  /** A session certificate and its key, PEM. */
  issue(changes?: Partial<Issue>): Promise<Issued>;
  /** Opens the way for a ticket; the server name that leads to the agent. */
  route(ticket: string): string;
  /** What `connectAuthority` would give; `refuse` makes the next calls fail. */
  readonly authority: AuthorityClient & { refuse: Error | undefined; opened: SessionGrant[] };
  close(): Promise<void>;
}

export interface Issue {
  readonly ca: Ca;
  readonly claims: Partial<SessionClaims>;
  readonly publicKey: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Issued {
  readonly certificate: string;
  readonly key: string;
  readonly claims: SessionClaims;
}

/** The fixture server of tests, run by the same runtime as the test. */
export function fixtureApp(name: string, ...args: string[]): App {
  const script = new URL("./stdio_server.mjs", import.meta.url).pathname;
  return app(name, "node", [script, ...args]);
}

export function app(name: string, command: string, args: readonly string[]): App {
  const mcp = { command, args, runAsHostUser: ME };
  return { name, description: "", uri: `mcp+stdio://${name}`, labels: { env: "test" }, mcp };
}

export async function startCluster(options: Partial<AgentOptions> = {}): Promise<Cluster> {
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + DAY) };
  const userCa = await createCa({ cluster: CLUSTER, kind: "user", ...validity });
  const hostCa = await createCa({ cluster: CLUSTER, kind: "host", ...validity });
  const hostKey = generateKeyPair();
  const host = await issueCertificate(hostCa, {
    cluster: CLUSTER,
    publicKey: hostKey.publicKey,
    claims: HOST,
    usage: ["server", "client"],
    ...validity,
  });
  const view = new FakeView();
  view.cas = [userCa.certificate];
  view.roles.set("tester", testRole("tester", ["*"]));
  const audit = new FakeAudit();
  const agent = new Agent({
    view,
    audit,
    clock: systemClock,
    log: silentLog,
    hostCredentials: () => ({ certificate: host.certificate, key: hostKey.privateKey }),
    ...options,
  });
  const routes = new Set<string>();
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    route: (name) =>
      name !== undefined && routes.has(name)
        ? (socket) => agent.accept(socket, { address: socket.remoteAddress ?? "" })
        : undefined,
  });

  const underWay = new Set<Promise<unknown>>();
  const issue = async (changes: Partial<Issue> = {}): Promise<Issued> => {
    const pair = generateKeyPair();
    const claims: SessionClaims = {
      kind: "session",
      bot: "robot",
      instance: "cd".repeat(16),
      roles: ["tester"],
      traits: {},
      app: "fixture",
      session: randomUUID(),
      ticket: randomBytes(10).toString("hex"),
      ...changes.claims,
    };
    const issuing = issueCertificate(changes.ca ?? userCa, {
      cluster: CLUSTER,
      publicKey: changes.publicKey ?? pair.publicKey,
      claims,
      notBefore: changes.notBefore ?? new Date(),
      notAfter: changes.notAfter ?? new Date(Date.now() + 3_600_000),
      usage: ["client"],
    });
    underWay.add(issuing);
    const { certificate } = await issuing.finally(() => underWay.delete(issuing));
    return { certificate, key: pair.privateKey, claims };
  };

  const route = (ticket: string) => {
    const servername = `${ticket}.route.internal`;
    routes.add(servername);
    return servername;
  };
  const unused = () => Promise.reject(new IdentityError("INTERNAL", "not played"));
  const authority: Cluster["authority"] = {
    refuse: undefined,
    opened: [],
    find: unused,
    trust: unused,
    challenge: unused,
    join: unused,
    renew: unused,
    issueIdentity: unused,
    heartbeat: unused,
    apps: unused,
    async openSession({ app, publicKey }) {
      if (authority.refuse) throw authority.refuse;
      const { certificate, claims } = await issue({ publicKey, claims: { app } });
      const servername = route(claims.ticket);
      const grant: SessionGrant = {
        session: claims.session,
        certificate,
        servername,
        agent: spiffeId(CLUSTER, HOST),
        hostCas: [hostCa.certificate],
      };
      authority.opened.push(grant);
      return grant;
    },
  };

  return {
    view,
    audit,
    agent,
    listener,
    proxy: `127.0.0.1:${listener.address.port}`,
    userCa,
    hostCa,
    issue,
    route,
    authority,
    async close() {
      await listener.close();
      await agent.close();
      // Whoever asked may have gone meanwhile.
      await Promise.allSettled(underWay);
    },
  };
}
