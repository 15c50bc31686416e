/**
 * The services and destinations of the original's that tbot does not have. Each is refused with one
 * sentence that says what to use in its place, in a file and on the command line alike.
 */

const KUBERNETES = "put an MCP server for the Kubernetes cluster behind app-agent";
const DATABASE = "put an MCP server for the database behind app-agent";
const SPIFFE =
  "use the files `tlscert` and `key` of an `identity`, whose certificate has a SPIFFE ID";

const SERVICES: ReadonlyMap<string, string> = new Map([
  ["application-proxy", "use `application-tunnel`, one for each app"],
  ["database", DATABASE],
  ["database-tunnel", DATABASE],
  ["identity/key-agent", "use `identity`, which keeps its key in a file"],
  ["kubernetes", KUBERNETES],
  ["kubernetes/argo-cd", KUBERNETES],
  ["kubernetes/v2", KUBERNETES],
  ["ssh-multiplexer", "a Postern cluster serves MCP and no SSH: use `identity` for MCP"],
  ["ssh_host", "a Postern cluster has no SSH hosts: leave it out"],
  ["workload-identity-api", SPIFFE],
  ["workload-identity-aws-roles-anywhere", SPIFFE],
  ["workload-identity-jwt", "a bot is given certificates and no JWTs: use `identity`"],
  ["workload-identity-x509", SPIFFE],
]);

/** The types of service that the original has and tbot has not. */
export const UNSUPPORTED_SERVICES: readonly string[] = [...SERVICES.keys()];

/** The types of service that there are. */
const SERVICE_TYPES = ["identity", "application", "application-tunnel"] as const;

/** Why a type of service is none here, in a sentence. */
export function unsupportedService(type: string): string {
  return sentence("service", type, SERVICES, SERVICE_TYPES);
}

const DESTINATIONS: ReadonlyMap<string, string> = new Map([
  ["kubernetes_secret", "write to a `directory` on a volume that the pods share"],
]);

/** The types of destination that there are. */
export const DESTINATION_TYPES = ["directory", "memory"] as const;

/** Why a type of destination is none here, in a sentence. */
export function unsupportedDestination(type: string): string {
  return sentence("destination", type, DESTINATIONS, DESTINATION_TYPES);
}

function sentence(
  what: string,
  type: string,
  instead: ReadonlyMap<string, string>,
  supported: readonly string[],
): string {
  const advice = instead.get(type);
  return advice === undefined
    ? `there is no ${what} of type "${type}": use ${orList(supported)}`
    : `${what}s of type "${type}" are not supported: ${advice}`;
}

function orList(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
