/** Relay and agent whose authority is elsewhere: they join, follow its changes, and ship what they record. */
import type { Buffer } from "node:buffer";
import net, { type Socket } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { AuditLog } from "../../identity/audit/mod.ts";
import { JoinedHost, Presence } from "../../identity/host/mod.ts";
import {
  type Clock,
  forwardedHeader,
  type Log,
  parseProxy,
  SourceLimit,
} from "../../identity/mod.ts";
import type { SourceLimits } from "../../identity/mod.ts";
import { ClusterFollower, RemoteView, type StreamQuestion } from "../../identity/stream/mod.ts";
import type { Version } from "../../identity/stream/mod.ts";
import { joinStreams } from "../../relay/tunnel/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import type { AgentHome, RelayHome } from "./_home.ts";

export interface RemoteOptions {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly resources: AsyncDisposableStack;
}

/** Connections to the authority at a time; it has limits of its own. */
const TO_AUTHORITY: SourceLimits = { total: 8192, perSource: 256 };

export async function remoteRelayHome(options: RemoteOptions): Promise<RelayHome> {
  const { log } = options;
  const joined = await joinCluster(options, "relay");
  const follower = await follow(options, joined);
  const { host, port } = parseProxy(options.config.joining!.authority);
  const places = new SourceLimit(TO_AUTHORITY);
  const open = new Set<Socket>();
  // Agents follow the authority through the relay, and would keep it alive for ever.
  options.resources.defer(() => open.forEach((socket) => socket.destroy()));
  /** Passes a connection on, behind a header that says whose it is. */
  const passOn = (socket: Socket, address: string, header: Buffer | undefined) => {
    const leave = places.take(address);
    if (!leave) return void socket.destroy();
    open.add(socket);
    const far = net.connect({ host, port, noDelay: true });
    far.on(
      "error",
      (error: Error) => log.warn("Cannot reach the authority", { error: error.message }),
    );
    if (header) far.write(header);
    joinStreams(socket, far).finally(() => {
      open.delete(socket);
      leave();
    });
  };
  return {
    ...common(options, joined, follower),
    toAuthority(socket, address) {
      const said = { host: joined.host, address, at: options.clock.now() };
      const signer = { cluster: joined.cluster, privateKey: joined.credentials.key };
      passOn(socket, address, forwardedHeader(said, signer));
    },
    // What the first relay has said is nearer to the truth.
    forwardedToAuthority: (header) => (socket, address) => passOn(socket, address, header),
    presentRelay: (addresses) => joined.client.presentRelay(addresses),
  };
}

/** What an agent answers when it is asked; set once it runs. */
export interface Answers {
  question: (question: StreamQuestion) => void;
  commit: (version: Version) => void;
}

export async function remoteAgentHome(
  options: RemoteOptions,
  answers: Answers,
): Promise<AgentHome & { answer(id: string, answer: unknown): Promise<void> }> {
  const { clock, config, log, resources, signal } = options;
  const joined = await joinCluster(options, "agent");
  const follower = await follow(options, joined, answers);
  const { client } = joined;
  const presence = new Presence({ present: client.presentApps, clock, log, signal });
  const view = await RemoteView.open(follower, {
    clock,
    log,
    app: (name) => presence.app(name),
    onApps: (listener) => presence.subscribe(listener),
  });
  const audit = await AuditLog.open({
    cluster: joined.cluster,
    clock,
    log,
    mode: config.audit.mode,
    spool: join(config.dataDir, "audit.spool"),
    spoolLimit: config.audit.spoolLimitMib * 1024 * 1024,
    queueLimit: config.audit.queueLimit,
    shipper: client.shipper,
  });
  // What cannot be shipped any more stays in the spool, for the next start.
  resources.defer(() =>
    audit.close().catch((error: unknown) =>
      log.warn("Audit records stay in the spool", { error: String(error) })
    )
  );
  return {
    ...common(options, joined, follower),
    view,
    audit,
    redaction: follower.facts.agent?.redaction ?? "",
    present: (apps) => presence.present(apps),
    signAppToken: client.signAppToken,
    answer: client.answer,
  };
}

function joinCluster(
  { clock, config, log, signal }: RemoteOptions,
  role: "agent" | "relay",
): Promise<JoinedHost> {
  const { authority, caPins, token } = config.joining!;
  return JoinedHost.open({
    directory: config.dataDir,
    role,
    name: config.nodename ?? hostname(),
    authority,
    trust: caPins.length > 0 ? { kind: "pins", pins: caPins } : { kind: "system" },
    token,
    clock,
    log,
    signal,
  });
}

async function follow(
  { clock, config, log, signal }: RemoteOptions,
  joined: JoinedHost,
  answers?: Answers,
): Promise<ClusterFollower> {
  const follower = await ClusterFollower.open({
    connect: () => joined.connection,
    clock,
    log,
    signal,
    ages: config.newsAges,
    onUnreachable: (proxy) => joined.wayFailed(proxy),
    ...(answers && {
      onQuestion: (question) => answers.question(question),
      onCommit: (version) => answers.commit(version),
    }),
  });
  const learn = () => {
    // A relay reaches the authority itself; through another it would go in circles.
    if (answers) joined.learnWays(follower.facts.relays.flatMap(({ addresses }) => addresses));
    joined.learn(follower.facts.hostCas).catch((error: unknown) =>
      log.error("Cannot keep the cluster's CAs", { error: String(error) })
    );
  };
  follower.subscribe(learn);
  learn();
  return follower;
}

function common({ clock, log }: RemoteOptions, joined: JoinedHost, follower: ClusterFollower) {
  return {
    cluster: joined.cluster,
    host: joined.host,
    clock,
    log,
    credentials: () => joined.credentials,
    facts: () => follower.facts,
    onFacts: (listener: () => void) => follower.subscribe(listener),
  };
}
