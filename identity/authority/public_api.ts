/** The authority's API on the cluster's public port: what answers at each endpoint. */
import { Hono } from "hono";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ZodType } from "zod";
import { VERSION } from "../version.ts";
import { toFailure } from "./_failures.ts";
import { readBody } from "./_read_body.ts";
import { administer, type LocalAgent, operationSchemas } from "./admin/mod.ts";
import type { Calls, ClusterInfo, IssuedCertificates, JoinRequest } from "./api.ts";
import {
  type Caller,
  type Connection,
  type HostKind,
  identifyCaller,
  type MachineClaims,
  recordRefusal,
} from "./caller.ts";
import type { Cluster } from "./cluster.ts";
import { type Endpoint, ENDPOINTS, REMOTE_OPERATIONS } from "./endpoints.ts";
import { keepHeartbeat } from "./heartbeat.ts";
import { addChanges } from "./hosts/follow_changes.ts";
import { type HostCaller, identifyHost } from "./hosts/identify_host.ts";
import { joinHost } from "./hosts/join_host.ts";
import { presentApps } from "./hosts/present_apps.ts";
import { presentRelay } from "./hosts/present_relay.ts";
import { hostShipper, receiveRecords } from "./hosts/receive_records.ts";
import { renewHost } from "./hosts/renew_host.ts";
import { signForAgent } from "./hosts/sign_for_agent.ts";
import { issueOutput } from "./issue_output.ts";
import { trustBundle } from "./issuing.ts";
import { joinBot } from "./join_bot.ts";
import { joinByIdToken } from "./join_by_id_token.ts";
import { joinByKeypair } from "./join_by_keypair.ts";
import { signChallenge } from "./join_documents.ts";
import { JWKS_SECONDS } from "./jwt_keys.ts";
import { listApps, openSession } from "./open_session.ts";
import { RefusedJoins } from "./refused_joins.ts";
import { renewBot } from "./renew_bot.ts";
import { adminPath, type Route, routeOf, ROUTES } from "./routes.ts";
import { jwks, openidConfiguration } from "./sign_app_token.ts";

/** What the server knows about a request beside its bytes. */
export type PublicBindings = Connection;

export type Env = { Bindings: PublicBindings };

const MAX_BODY_BYTES = 64 * 1024;
/** Audit records and answers of agents. */
const MAX_LARGE_BYTES = 8 * 1024 * 1024;
/** The largest text of resources, with room for JSON's escapes. */
const MAX_ADMIN_BYTES = 16 * 1024 * 1024;

/** What one call comes with: all of it has been checked. */
interface Incoming<K extends Route> {
  readonly request: Calls[K]["request"];
  readonly connection: Connection;
  readonly caller: (typeof ENDPOINTS)[K]["caller"] extends infer C
    ? C extends "bot" | "identity" ? Caller<MachineClaims<C>>
    : C extends HostKind ? HostCaller
    : undefined
    : never;
}

type HostRoute =
  | "hostJoin"
  | "hostRenew"
  | "presentApps"
  | "presentRelay"
  | "appToken"
  | "answerQuestion"
  | "auditHead"
  | "shipAudit";

type Handlers = {
  readonly [K in Route]: (call: Incoming<K>) => Calls[K]["answer"] | Promise<Calls[K]["answer"]>;
};

function handlersOf(cluster: Cluster): Handlers {
  const refusedJoins = new RefusedJoins(cluster.clock);
  return {
    find: () => clusterInfo(cluster),
    jwks: async () => ({ keys: (await jwks(cluster)).keys.map((key) => ({ ...key })) }),
    openidConfiguration: () => openidConfiguration(cluster),
    trust: () => trustBundle(cluster),
    join: ({ connection, request }) =>
      refusedJoins.guard(connection.remote, () => join(cluster, request, connection)),
    // Nothing is remembered of a challenge; whoever is refused too often gets none either.
    challenge: async ({ connection, request: { token } }) => ({
      cluster: cluster.name,
      challenge: await refusedJoins.guard(connection.remote, () => signChallenge(cluster, token)),
    }),
    renew: ({ caller, request }) => renewBot(cluster, caller, request),
    issueIdentity: ({ caller, request }) => issueOutput(cluster, caller, request),
    heartbeat: ({ caller, request }) => keepHeartbeat(cluster, caller, request),
    openSession: ({ caller, connection, request }) =>
      openSession(cluster, caller, request, connection.remote),
    apps: ({ caller }) => listApps(cluster, caller),
    ...hostHandlers(cluster, refusedJoins),
  };
}

/** What agents and relays that are elsewhere ask. */
function hostHandlers(
  cluster: Cluster,
  refusedJoins: RefusedJoins,
): Pick<Handlers, HostRoute> {
  return {
    hostJoin: ({ connection: { remote }, request }) =>
      refusedJoins.guard(remote, () => joinHost(cluster, request, remote)),
    hostRenew: ({ caller, request }) => renewHost(cluster, caller, request),
    presentApps: ({ caller, request: { apps } }) => presentApps(cluster, caller, apps),
    presentRelay: ({ caller, request: { addresses } }) => presentRelay(cluster, caller, addresses),
    appToken: async ({ caller, request }) => {
      const { token, expires } = await signForAgent(cluster, caller, request);
      return { token, expires: expires.toISOString() };
    },
    answerQuestion: ({ caller, request: { id, answer } }) => {
      cluster.hosts.answer(caller, id, answer);
      return {};
    },
    auditHead: ({ caller }) => hostShipper(cluster, caller).head(),
    shipAudit: ({ caller, request }) => receiveRecords(cluster, caller, request),
  };
}

/** The routes for one cluster. `agent` answers what only an agent in this process knows. */
export function publicApi(cluster: Cluster, agent?: () => LocalAgent | undefined): Hono<Env> {
  const api = new Hono<Env>();
  const handlers = handlersOf(cluster);
  addAdmin(api, cluster, agent);
  addChanges(api, cluster);
  const small = limit(MAX_BODY_BYTES);
  const large = limit(MAX_LARGE_BYTES);
  for (const name of Object.keys(ROUTES) as Route[]) {
    const endpoint: Endpoint = ENDPOINTS[name] as Endpoint;
    const { method, path } = routeOf(name);
    // The table and the handlers have the same type for each name, which the compiler has checked.
    const handle = handlers[name] as (call: unknown) => object | Promise<object>;
    for (const each of [path, ...(endpoint.aliases ?? [])]) {
      // Who sends something large is proven before it is read.
      if (endpoint.large) api.use(each, proven(cluster, endpoint));
      api.on(method, each, endpoint.large ? large : small, async (context) => {
        const answer = await handle(await incoming(cluster, endpoint, context));
        // Whoever verifies tokens need not ask each time: keys are there before they sign.
        return endpoint.cached === undefined
          ? context.json(answer)
          : context.json(answer, 200, { "Cache-Control": `public, max-age=${JWKS_SECONDS}` });
      });
    }
  }
  api.notFound((context) =>
    context.json(
      { error: { code: "NOT_FOUND", message: `No such page: ${context.req.path}` } },
      404,
    )
  );
  api.onError((error, context) => {
    const { status, body } = toFailure(error, cluster.log);
    return context.json(body, status);
  });
  return api;
}

/** Only whoever has shown an identity may send as much as a text of resources. */
function addAdmin(api: Hono<Env>, cluster: Cluster, agent?: () => LocalAgent | undefined): void {
  const withinLimit = limit(MAX_ADMIN_BYTES);
  for (const operation of REMOTE_OPERATIONS) {
    api.post(adminPath(operation), async (context) => {
      const { remote } = context.env;
      const caller = await identifyCaller(cluster, context.env, "identity");
      let answer: Response | undefined;
      const tooLarge = await withinLimit(context, async () => {
        const argument = await readBody(context, operationSchemas[operation] as ZodType);
        const request = { caller, remote, operation, argument };
        const done = await administer(cluster, agent?.(), request).catch(async (error) => {
          await recordRefusal(cluster, caller.certificate, { error, remote });
          throw error;
        });
        answer = context.json(done);
      });
      return answer ?? tooLarge ?? context.body(null, 500);
    });
  }
}

function limit(maxSize: number) {
  return bodyLimit({
    maxSize,
    onError: (context) =>
      context.json({ error: { code: "BAD_REQUEST", message: "The request is too large" } }, 413),
  });
}

/** Who calls comes first: nothing that a stranger sends is looked at. */
async function incoming(
  cluster: Cluster,
  { caller: kind, request: schema }: Endpoint,
  context: Context<Env>,
): Promise<object> {
  const connection = context.env;
  const caller = await callerOf(cluster, kind, connection);
  const request = schema && await readBody(context, schema as ZodType);
  return { caller, connection, request };
}

function callerOf(
  cluster: Cluster,
  kind: Endpoint["caller"],
  connection: Connection,
): Promise<object | undefined> {
  switch (kind) {
    case "anyone":
      return Promise.resolve(undefined);
    case "bot":
    case "identity":
      return identifyCaller(cluster, connection, kind);
    default:
      return identifyHost(cluster, connection, kind);
  }
}

/** Nothing large is read of somebody who may not send it. */
function proven(cluster: Cluster, { caller }: Endpoint): MiddlewareHandler<Env> {
  return async (context, next) => {
    await callerOf(cluster, caller, context.env);
    await next();
  };
}

function join(
  cluster: Cluster,
  request: JoinRequest,
  connection: Connection,
): Promise<IssuedCertificates> {
  switch (request.method) {
    case "token":
      return joinBot(cluster, request, connection.remote);
    case "bound_keypair":
      return joinByKeypair(cluster, request, connection);
    default:
      return joinByIdToken(cluster, request, connection);
  }
}

function clusterInfo({ name }: Cluster): ClusterInfo {
  return { server_version: VERSION, cluster_name: name };
}
