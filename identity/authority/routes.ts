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
} as const;

export type Route = keyof typeof ROUTES;

/** The method and the path of a call. */
export function routeOf(name: Route): { readonly method: "GET" | "POST"; readonly path: string } {
  const route = ROUTES[name];
  const space = route.indexOf(" ");
  return { method: route.startsWith("GET") ? "GET" : "POST", path: route.slice(space + 1) };
}

/** Where an operation of the administration is, for callers with an identity; by POST. */
export function adminPath(operation: string): string {
  return `/postern/v1/admin/${operation}`;
}
