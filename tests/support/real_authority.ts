// A real authority on loopback: SQLite in a scratch directory, or PostgreSQL, TLS, HTTP, and the real client.
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createPublicServer,
  hostId,
  HostIdentity,
  openCluster,
} from "../../identity/authority/mod.ts";
import type { Cluster, PublicServer } from "../../identity/authority/mod.ts";
import type { PlaceLimits } from "../../identity/authority/places.ts";
import type { HostTokenItem, JoinedRole } from "../../identity/authority/cluster.ts";
import { connectHost, type HostClient } from "../../identity/host/mod.ts";
import {
  caPin,
  connectAuthority,
  generateKeyPair,
  silentLog,
  systemClock,
} from "../../identity/mod.ts";
import type { App, AuthorityClient, Clock, Trust } from "../../identity/mod.ts";
import { openStore } from "../../identity/storage/mod.ts";
import type { TestContext } from "./harness.ts";

export const AGENT = "a".repeat(32);
export const TTL = 3600;

export interface Credentials {
  readonly certificate: string;
  readonly key: string;
}

/** A joined host, and the authority as it calls it. */
export interface HostMachine extends Credentials {
  readonly host: string;
  readonly client: HostClient;
  /** With another certificate, or with none. */
  as(credentials?: Credentials): HostClient;
}

export interface RealAuthority {
  readonly cluster: Cluster;
  readonly server: PublicServer;
  readonly proxy: string;
  readonly pin: string;
  connect(credentials?: Credentials, trust?: Trust): AuthorityClient;
  addRole(name: string, yaml: string): Promise<void>;
  addBot(name: string, roles?: readonly string[]): Promise<void>;
  /** A join token; `expires` in the past makes one that came too late. */
  addToken(bot: string, expires?: Date): Promise<string>;
  addApp(app: App): Promise<void>;
  /** Joins and issues an output, as tbot does. */
  join(bot: string): Promise<Credentials>;
  issue(
    bot: Credentials,
    options?: { reissue?: boolean; roles?: string[]; app?: string },
  ): Promise<Credentials>;
  /** A token for hosts. */
  addHostToken(token?: Partial<HostTokenItem>): Promise<string>;
  /** Joins as an agent or a relay. */
  joinHost(role?: JoinedRole, token?: Partial<HostTokenItem>): Promise<HostMachine>;
  auditTypes(): Promise<string[]>;
}

export async function realAuthority(
  context: TestContext,
  options: {
    name?: string;
    clock?: Clock;
    /** A connection string; several authorities on one of them are one cluster. */
    database?: string;
    places?: PlaceLimits;
  } = {},
): Promise<RealAuthority> {
  const { name = "example.test", clock = systemClock } = options;
  const directory = mkdtempSync(join(tmpdir(), "postern-authority-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const { database } = options;
  const store = await openStore({ directory, database, now: () => clock.now() });
  context.cleanup(() => store.close());
  const host = database === undefined ? AGENT : await hostId(directory, store);
  const cluster = await openCluster({ store, host, name, clock, log: silentLog });
  // Or what is renewed as the test ends would be recorded, and tried again, in a store that is closed.
  context.cleanup(() => cluster.audit.close());
  const request = { role: "authority", host, names: [name, "localhost"] } as const;
  const identity = await HostIdentity.open(cluster, request, context.signal);
  const server = createPublicServer(cluster, identity, undefined, options.places);
  const port = net.createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => port.listen(0, "127.0.0.1", () => resolve()));
  context.cleanup(() => new Promise<void>((resolve) => port.close(() => resolve())));
  context.cleanup(() => server.close());
  const proxy = `127.0.0.1:${(port.address() as net.AddressInfo).port}`;
  const hostCas = [cluster.keys.host.certificate];

  const connect: RealAuthority["connect"] = (credentials, trust = { kind: "cas", hostCas }) =>
    connectAuthority({ proxy, trust, ...(credentials ? { credentials } : {}) });
  const addToken: RealAuthority["addToken"] = async (bot, expires) => {
    const token = randomBytes(16).toString("hex");
    const name = createHash("sha256").update(token).digest("hex");
    const end = expires ?? new Date(clock.now().getTime() + 3_600_000);
    await store.update((tx) => tx.put("token", name, { bot, expires: end.toISOString() }));
    return token;
  };
  const addHostToken: RealAuthority["addHostToken"] = async (item = {}) => {
    const token = randomBytes(16).toString("hex");
    const name = createHash("sha256").update(token).digest("hex");
    const expires = new Date(clock.now().getTime() + 3_600_000).toISOString();
    await store.update((tx) =>
      tx.put("host_token", name, { roles: ["agent", "relay"], expires, ...item })
    );
    return token;
  };
  return {
    cluster,
    server,
    proxy,
    pin: caPin(cluster.keys.host.certificate),
    connect,
    addToken,
    addRole: (role, source) =>
      store.update((tx) => tx.put("role", role, { source, file: `${role}.yaml` })),
    addBot: (bot, roles = []) => store.update((tx) => tx.put("bot", bot, { roles, traits: {} })),
    addApp: (app) => store.update((tx) => tx.put("agent", AGENT, { apps: [app] })),
    async join(bot) {
      const { publicKey, privateKey: key } = generateKeyPair();
      const token = await addToken(bot);
      const { tls } = await connect().join({ method: "token", token, publicKey, ttl: TTL });
      return { certificate: tls, key };
    },
    async issue(bot, { reissue = true, roles, app } = {}) {
      const { publicKey, privateKey: key } = generateKeyPair();
      const asked = { publicKey, ttl: TTL, reissue, ...(roles && { roles }), ...(app && { app }) };
      const { tls } = await connect(bot).issueIdentity(asked);
      return { certificate: tls, key };
    },
    addHostToken,
    async joinHost(role = "agent", item = {}) {
      const { publicKey, privateKey: key } = generateKeyPair();
      const token = await addHostToken(item);
      const as = (credentials?: Credentials) =>
        connectHost(() => ({
          proxy,
          trust: { kind: "cas", hostCas },
          ...(credentials && { credentials }),
        }));
      const { certificate, host } = await as().join({ token, role, publicKey, name: "machine" });
      return { host, certificate, key, as, client: as({ certificate, key }) };
    },
    auditTypes: async () =>
      (await store.latestEvents(100)).map(({ event }) => `${event["type"]} ${event["code"]}`),
  };
}
