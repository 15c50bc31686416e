/**
 * Who may open a session and who may keep it. Everything is judged from the certificate that the
 * TLS handshake has proved and from the live view of the cluster, never from what a peer says.
 */
import {
  type App,
  type ClusterView,
  IdentityError,
  type SessionClaims,
} from "../../identity/mod.ts";
import { accessOf, botLocked, effectivePrincipal, useLocked } from "../../identity/access/mod.ts";
import { type CertificateInfo, verifyCertificate } from "../../identity/x509/mod.ts";
import type { AppPolicy } from "../../policy/mod.ts";
import type { End } from "../wire/handshake.ts";
import type { UsedTickets } from "./used_tickets.ts";

export type Verdict =
  | { readonly kind: "allowed"; readonly app: App; readonly policy: AppPolicy }
  | Refused;

export interface Refused {
  readonly kind: "refused";
  /** What the peer is told. */
  readonly end: End;
  /** What the audit log is told besides. */
  readonly because: string;
}

export interface Admission {
  readonly kind: "admitted";
  readonly claims: SessionClaims;
  readonly certificate: CertificateInfo;
  /** The CAs that the certificate was verified by. */
  readonly cas: readonly string[];
}

interface Circumstances {
  readonly view: ClusterView;
  readonly tickets: UsedTickets;
  readonly now: Date;
}

/** The judgement that is made once: may this certificate open a session here and now? */
export async function admit(
  certificate: CertificateInfo,
  { view, tickets, now }: Circumstances,
): Promise<Admission | Refused> {
  const { claims, cluster } = certificate;
  if (claims.kind !== "session" || cluster !== view.cluster) {
    return refuse("CERTIFICATE_REFUSED", "This certificate opens no session here", "not a session");
  }
  if (view.news() !== "fresh") return away("no new sessions meanwhile");
  const cas = [...view.userCas()];
  const wrong = await verify(certificate, view, now);
  if (wrong) return wrong;
  if (!tickets.use(claims.ticket, certificate.notAfter, now)) {
    return refuse("TICKET_USED", "This session was opened before", "ticket used");
  }
  return { kind: "admitted", claims, certificate, cas };
}

/**
 * What is wrong with the certificate now, if anything. The handshake has looked as well; but a CA
 * may have gone since, and some runtimes accept expired certificates when they resume a session.
 */
export async function verify(
  certificate: CertificateInfo,
  view: ClusterView,
  now: Date,
): Promise<Refused | undefined> {
  try {
    await verifyCertificate(certificate, view.userCas(), now, "client");
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    return error.code === "CERTIFICATE_EXPIRED" ? expired() : refuse(
      "CERTIFICATE_REFUSED",
      "The session's certificate is not accepted: no CA that the cluster trusts now has signed it",
      error.message,
    );
  }
}

/** The judgement that is made anew with each change: may the holder use the app, and how? */
export function judge(claims: SessionClaims, view: ClusterView): Verdict {
  if (view.news() === "lost") return away("for too long");
  const app = view.app(claims.app);
  if (app === undefined) {
    return refuse("APP_UNKNOWN", `App "${claims.app}" does not exist`, "unknown app");
  }
  const standing = view.standing(claims.bot, claims.instance);
  if (standing.kind === "locked") {
    return refuse("LOCKED", botLocked(claims.bot, standing.message), "locked");
  }
  if (standing.kind === "gone") return denied(app, `bot "${claims.bot}" does not exist any more`);

  const principal = effectivePrincipal(view, claims);
  const locked = view.locked(principal.roles, claims.app);
  if (locked) return refuse("LOCKED", useLocked(locked), "locked");
  const access = accessOf(view, principal, app);
  if (access.kind === "denied") return denied(app, access.because);
  // A lock is what a role that says so must not wait for.
  if (view.news() === "stale" && access.policy.lock === "strict") return away("lock: strict");
  return { kind: "allowed", app, policy: access.policy };
}

/** The agent does not know whether what it knows still holds. */
function away(because: string): Refused {
  const message = "The agent has had no news of the cluster";
  return refuse("AUTHORITY_AWAY", message, `no news of the cluster: ${because}`);
}

export function expired(): Refused {
  return refuse("CERTIFICATE_EXPIRED", "The session's certificate has expired", "expired");
}

/** There is no such session, or none for this one to know of. */
export function unknownSession(): Refused {
  return refuse("SESSION_UNKNOWN", "The session cannot be resumed here", "no such session");
}

function denied(app: App, because: string): Refused {
  return refuse("ACCESS_DENIED", `Access to app "${app.name}" denied`, because);
}

function refuse(code: End["code"], message: string, because: string): Refused {
  return { kind: "refused", end: { code, message }, because };
}
