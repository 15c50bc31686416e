/** Where each call of the public API goes. Light to load: a bridge starts with it. */
export const ROUTES = {
  find: "GET /v1/webapi/find",
  jwks: "GET /.well-known/jwks.json",
  openidConfiguration: "GET /.well-known/openid-configuration",
  trust: "GET /postern/v1/trust",
  join: "POST /postern/v1/join",
  challenge: "POST /postern/v1/join/challenge",
  renew: "POST /postern/v1/renew",
  issueIdentity: "POST /postern/v1/identities",
  heartbeat: "POST /postern/v1/heartbeats",
  openSession: "POST /postern/v1/sessions",
  apps: "GET /postern/v1/apps",
  hostJoin: "POST /postern/v1/hosts/join",
  hostRenew: "POST /postern/v1/hosts/renew",
  presentApps: "POST /postern/v1/hosts/apps",
  presentRelay: "POST /postern/v1/hosts/relay",
  appToken: "POST /postern/v1/hosts/app-token",
  answerQuestion: "POST /postern/v1/hosts/answers",
  auditHead: "GET /postern/v1/hosts/audit",
  shipAudit: "POST /postern/v1/hosts/audit",
} as const;

export type Route = keyof typeof ROUTES;

/** The method and the path of a call. */
export function routeOf(name: Route): { readonly method: "GET" | "POST"; readonly path: string } {
  const route = ROUTES[name];
  const space = route.indexOf(" ");
  return { method: route.startsWith("GET") ? "GET" : "POST", path: route.slice(space + 1) };
}

/** The change stream of agents and relays, which has no end, and so is no call. */
export const CHANGES_PATH = "/postern/v1/hosts/changes";

/** Where an operation of the administration is, for callers with an identity; by POST. */
export function adminPath(operation: string): string {
  return `/postern/v1/admin/${operation}`;
}
