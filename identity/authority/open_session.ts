import { randomBytes, randomUUID } from "node:crypto";
import { accessOf, effectivePrincipal, toolsByRole, toolsOf } from "../access/access_of.ts";
import { lockedError, useLocked } from "../access/locked.ts";
import { IdentityError } from "../error.ts";
import { normalizePublicKey } from "../keys.ts";
import { spiffeId } from "../x509/claims.ts";
import type { IdentityClaims } from "../x509/claims.ts";
import type { AppList, SessionGrant, SessionRequest } from "./api.ts";
import type { Caller } from "./caller.ts";
import type { Cluster } from "./cluster.ts";
import { trustedCertificates } from "./cluster_keys.ts";
import { botFields, issueRecorded } from "./issue_recorded.ts";
import { notAfter } from "./issuing.ts";
import { signTicket, TICKET_SECONDS } from "./ticket.ts";

/**
 * Grants a session: a certificate for one app and one fresh key, and the ticket that leads there.
 * An app that does not exist and one that the roles do not reach are refused alike; the audit log
 * learns which.
 */
export async function openSession(
  cluster: Cluster,
  caller: Caller<IdentityClaims>,
  request: SessionRequest,
  remote: string,
): Promise<SessionGrant> {
  try {
    return await grantSession(cluster, caller, request);
  } catch (error) {
    await recordRefusal(cluster, caller, request, { error, remote });
    throw error;
  }
}

async function grantSession(
  cluster: Cluster,
  { certificate, claims }: Caller<IdentityClaims>,
  request: SessionRequest,
): Promise<SessionGrant> {
  if (!claims.reissue) {
    throw new IdentityError(
      "REISSUE_DENIED",
      "access denied: identity is not allowed to reissue certificates",
      { hint: "Set `allow_reissue: true` on the identity service in tbot's configuration" },
    );
  }
  if (!isFor(claims, request.app)) {
    throw new IdentityError(
      "ACCESS_DENIED",
      `Cannot reach the app "${request.app}": this identity is for the app "${claims.app}" alone`,
      {
        hint: "Use an identity of the service `identity`, or one of an `application` for this app",
      },
    );
  }
  const place = cluster.view.agentOf(request.app, hostOf(cluster, request.agent));
  const principal = effectivePrincipal(cluster.view, claims);
  if (!place) throw refusal(request.app, "no such app");
  const locked = cluster.view.locked(principal.roles, request.app);
  if (locked) throw lockedError(useLocked(locked));
  const access = accessOf(cluster.view, principal, place.app);
  if (access.kind === "denied") throw refusal(request.app, access.because);
  const session = randomUUID();
  const ticket = {
    id: randomBytes(10).toString("hex"),
    agent: place.host,
    expires: new Date(cluster.clock.now().getTime() + TICKET_SECONDS * 1000),
  };
  const now = cluster.clock.now();
  const issued = await issueRecorded(cluster, {
    publicKey: normalizePublicKey(request.publicKey),
    claims: { ...principal, kind: "session", app: request.app, session, ticket: ticket.id },
    notBefore: now,
    notAfter: notAfter(now, access.policy.maxSessionTtl, certificate.notAfter),
    usage: ["client"],
  });
  return {
    session,
    certificate: issued,
    servername: signTicket(ticket, cluster.keys.ticket.privateKey),
    agent: spiffeId(cluster.name, { kind: "host", role: "agent", host: place.host }),
    hostCas: trustedCertificates(cluster.keys, "host"),
  };
}

/** The agent behind a SPIFFE ID of this cluster. */
function hostOf({ name }: Cluster, agent: string | undefined): string | undefined {
  const prefix = spiffeId(name, { kind: "host", role: "agent", host: "" });
  return agent?.startsWith(prefix) ? agent.slice(prefix.length) : undefined;
}

/** The apps that the caller's roles reach. */
export function listApps(cluster: Cluster, { claims }: Caller<IdentityClaims>): AppList {
  const principal = effectivePrincipal(cluster.view, claims);
  const reached = cluster.view.apps().filter((app) =>
    isFor(claims, app.name) &&
    cluster.view.locked(principal.roles, app.name) === undefined &&
    accessOf(cluster.view, principal, app).kind === "allowed"
  );
  return {
    principal,
    apps: reached.map((app) => {
      const { name, description, uri, labels } = app;
      const tools = toolsOf(cluster.view, principal, app);
      const byRole = toolsByRole(cluster.view, principal, app);
      return { name, description, uri, labels, tools, byRole };
    }),
  };
}

/** Whether an identity may be used for an app at all, whatever its roles reach. */
function isFor({ app }: IdentityClaims, name: string): boolean {
  return app === undefined || app === name;
}

async function recordRefusal(
  { audit, view }: Cluster,
  { claims }: Caller<IdentityClaims>,
  { app }: SessionRequest,
  { error, remote }: { readonly error: unknown; readonly remote: string },
): Promise<void> {
  if (!(error instanceof IdentityError)) return;
  const uri = view.agentOf(app)?.app.uri;
  await audit.append({
    type: "mcp.session.start",
    code: "TMCP001E",
    ...botFields(claims),
    with_mfa: "",
    private_key_policy: "none",
    user_roles: claims.roles,
    app_name: app,
    ...(uri !== undefined && { app_uri: uri }),
    "addr.remote": remote,
    status: {
      success: false,
      error: error.cause instanceof Error ? error.cause.message : error.message,
      reason: error.code,
    },
  });
}

function refusal(app: string, because: string): IdentityError {
  return new IdentityError(
    "ACCESS_DENIED",
    `Cannot reach the app "${app}": it does not exist, or no role of this identity reaches it`,
    {
      hint: "`tsh mcp ls` shows the apps that this identity reaches",
      cause: new Error(`access to app denied: ${because}`),
    },
  );
}
