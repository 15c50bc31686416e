import { randomBytes, randomUUID } from "node:crypto";
import { compilePolicy, describeDecision, PolicyError } from "../../policy/mod.ts";
import type { AppPolicy, Role } from "../../policy/mod.ts";
import type { App } from "../app.ts";
import { IdentityError } from "../error.ts";
import { normalizePublicKey } from "../keys.ts";
import { spiffeId } from "../x509/claims.ts";
import type { IdentityClaims, Principal } from "../x509/claims.ts";
import { issueCertificate } from "../x509/mod.ts";
import type { AppList, SessionGrant, SessionRequest } from "./api.ts";
import type { Caller } from "./caller.ts";
import type { Cluster } from "./cluster.ts";
import { notAfter } from "./issuing.ts";
import { signTicket, TICKET_SECONDS } from "./ticket.ts";

/**
 * Grants a session: a certificate for one app and one fresh key, and the ticket that leads there.
 * An app that does not exist and one that the roles do not reach are refused alike.
 */
export async function openSession(
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
  const place = cluster.view.agentOf(request.app);
  const principal = effectivePrincipal(cluster, claims);
  const policy = place && policyFor(cluster, principal, place.app);
  if (!place || policy?.access.effect !== "allow") {
    throw refusal(request.app, policy);
  }
  const session = randomUUID();
  const ticket = {
    id: randomBytes(10).toString("hex"),
    agent: place.host,
    expires: new Date(cluster.clock.now().getTime() + TICKET_SECONDS * 1000),
  };
  const now = cluster.clock.now();
  const { certificate: issued } = await issueCertificate(cluster.keys.user, {
    cluster: cluster.name,
    publicKey: normalizePublicKey(request.publicKey),
    claims: { ...principal, kind: "session", app: request.app, session, ticket: ticket.id },
    notBefore: now,
    notAfter: notAfter(now, policy.maxSessionTtl, certificate.notAfter),
    usage: ["client"],
  });
  return {
    session,
    certificate: issued,
    servername: signTicket(ticket, cluster.keys.ticket.privateKey),
    agent: spiffeId(cluster.name, { kind: "host", role: "agent", host: place.host }),
    hostCas: [cluster.keys.host.certificate],
  };
}

/** The apps that the caller's roles reach. */
export function listApps(cluster: Cluster, { claims }: Caller<IdentityClaims>): AppList {
  const principal = effectivePrincipal(cluster, claims);
  const reached = cluster.view.apps().filter((app) =>
    policyFor(cluster, principal, app)?.access.effect === "allow"
  );
  return {
    principal,
    apps: reached.map(({ name, description, uri, labels }) => ({ name, description, uri, labels })),
  };
}

/** Roles in the certificate that the bot still has, with the bot's traits of now. */
function effectivePrincipal(cluster: Cluster, claims: IdentityClaims): Principal {
  const standing = cluster.view.standing(claims.bot, claims.instance);
  const held: readonly string[] = standing.kind === "live" ? standing.roles : [];
  return {
    bot: claims.bot,
    instance: claims.instance,
    roles: claims.roles.filter((role) => held.includes(role)),
    traits: standing.kind === "live" ? standing.traits : {},
  };
}

/** The principal's policy for an app, unless a role that it holds cannot be had: then none. */
function policyFor(cluster: Cluster, principal: Principal, app: App): AppPolicy | undefined {
  const roles: Role[] = [];
  for (const name of principal.roles) {
    const role = cluster.view.role(name);
    // A role that is missing may have held a deny: without it nothing can be allowed.
    if (!role) return undefined;
    roles.push(role);
  }
  try {
    return compilePolicy(roles, { name: `bot-${principal.bot}`, traits: principal.traits }, app);
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

function refusal(app: string, policy: AppPolicy | undefined): IdentityError {
  const because = policy ? `: ${describeDecision(policy.access)}` : "";
  return new IdentityError(
    "ACCESS_DENIED",
    `Cannot reach the app "${app}": it does not exist, or no role of this identity reaches it`,
    {
      hint: "`tsh mcp ls` shows the apps that this identity reaches",
      cause: new Error(`access to app denied${because}`),
    },
  );
}
