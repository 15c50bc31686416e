/** The authority's API on the cluster's public port: every endpoint, and who may call it. */
import { Hono } from "hono";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ZodType } from "zod";
import { IdentityError } from "../error.ts";
import { VERSION } from "../version.ts";
import { toFailure } from "./_failures.ts";
import {
  challengeRequest,
  heartbeatRequest,
  identityRequest,
  joinRequest,
  renewRequest,
  sessionRequest,
} from "./_schemas.ts";
import type { ClusterInfo, IssuedCertificates, JoinChallenge, JoinRequest } from "./api.ts";
import { identifyCaller } from "./caller.ts";
import type { Cluster } from "./cluster.ts";
import { keepHeartbeat } from "./heartbeat.ts";
import { issueOutput } from "./issue_output.ts";
import { trustBundle } from "./issuing.ts";
import { joinBot } from "./join_bot.ts";
import { joinByIdToken } from "./join_by_id_token.ts";
import { joinByKeypair } from "./join_by_keypair.ts";
import { signChallenge } from "./join_documents.ts";
import { listApps, openSession } from "./open_session.ts";
import { RefusedJoins } from "./refused_joins.ts";
import { renewBot } from "./renew_bot.ts";
import { JWKS_SECONDS } from "./jwt_keys.ts";
import { jwks, openidConfiguration } from "./sign_app_token.ts";

/** What the server knows about a request beside its bytes. */
export interface PublicBindings {
  /** The client certificate, DER, whose key TLS has proven; not judged otherwise. */
  readonly peer: Uint8Array | undefined;
  /** One that TLS does not accept, for the sake of an answer that says why. */
  readonly stranger?: Uint8Array | undefined;
  readonly remote: string;
}

type Env = { Bindings: PublicBindings };

const MAX_BODY_BYTES = 64 * 1024;

/** The routes for one cluster. */
export function publicApi(cluster: Cluster): Hono<Env> {
  const api = new Hono<Env>();
  const refusedJoins = new RefusedJoins(cluster.clock);
  api.use(bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context) =>
      context.json({ error: { code: "BAD_REQUEST", message: "The request is too large" } }, 413),
  }));
  api.get("/v1/webapi/find", (context) => context.json(clusterInfo(cluster)));
  api.get("/webapi/find", (context) => context.json(clusterInfo(cluster)));
  // Whoever verifies tokens need not ask each time: keys are there some time before they sign.
  const cached = { "Cache-Control": `public, max-age=${JWKS_SECONDS}` };
  api.get(
    "/.well-known/jwks.json",
    async (context) => context.json(await jwks(cluster), 200, cached),
  );
  api.get(
    "/.well-known/openid-configuration",
    async (context) => context.json(await openidConfiguration(cluster), 200, cached),
  );
  api.get("/postern/v1/trust", (context) => context.json(trustBundle(cluster)));
  api.post("/postern/v1/join", async (context) => {
    const request = await body(context, joinRequest);
    const { env } = context;
    return context.json(await refusedJoins.guard(env.remote, () => join(cluster, request, env)));
  });
  api.post("/postern/v1/join/challenge", async (context) => {
    const { token } = await body(context, challengeRequest);
    // Nothing is remembered of a challenge; whoever is refused too often gets none either.
    const challenge = await refusedJoins.guard(
      context.env.remote,
      () => signChallenge(cluster, token),
    );
    return context.json({ cluster: cluster.name, challenge } satisfies JoinChallenge);
  });
  api.post("/postern/v1/renew", async (context) => {
    const caller = await identifyCaller(cluster, context.env, "bot");
    return context.json(await renewBot(cluster, caller, await body(context, renewRequest)));
  });
  api.post("/postern/v1/identities", async (context) => {
    const caller = await identifyCaller(cluster, context.env, "bot");
    return context.json(await issueOutput(cluster, caller, await body(context, identityRequest)));
  });
  api.post("/postern/v1/heartbeats", async (context) => {
    const caller = await identifyCaller(cluster, context.env, "bot");
    return context.json(
      await keepHeartbeat(cluster, caller, await body(context, heartbeatRequest)),
    );
  });
  api.post("/postern/v1/sessions", async (context) => {
    const caller = await identifyCaller(cluster, context.env, "identity");
    const request = await body(context, sessionRequest);
    return context.json(await openSession(cluster, caller, request, context.env.remote));
  });
  api.get("/postern/v1/apps", async (context) => {
    const caller = await identifyCaller(cluster, context.env, "identity");
    return context.json(listApps(cluster, caller));
  });
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

function join(
  cluster: Cluster,
  request: JoinRequest,
  caller: PublicBindings,
): Promise<IssuedCertificates> {
  switch (request.method) {
    case "token":
      return joinBot(cluster, request, caller.remote);
    case "bound_keypair":
      return joinByKeypair(cluster, request, caller);
    default:
      return joinByIdToken(cluster, request, caller);
  }
}

function clusterInfo({ name }: Cluster): ClusterInfo {
  return { server_version: VERSION, cluster_name: name };
}

async function body<T>(context: Context<Env>, schema: ZodType<T>): Promise<T> {
  const json: unknown = await context.req.json().catch(() => undefined);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? ` at ${issue.path.join(".")}` : "";
  throw new IdentityError("BAD_REQUEST", `The request is not valid${where}: ${issue?.message}`);
}
