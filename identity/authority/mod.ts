/** The authority: who may have a certificate, and what it says. Heavy to load. */
export type { Cluster } from "./cluster.ts";
export { trustedCertificates } from "./cluster_keys.ts";
export { hostId } from "./host_id.ts";
export { presentRelay } from "./hosts/present_relay.ts";
export { clusterFacts } from "./stream/cluster_facts.ts";
export { HostIdentity } from "./host_credentials.ts";
export type { HostCredentials } from "./host_credentials.ts";
export { DEFAULT_CLUSTER_NAME, openCluster } from "./open_cluster.ts";
export type { OpenClusterOptions } from "./open_cluster.ts";
export { openapi } from "./openapi.ts";
export { offerPresetRoles } from "./preset_roles.ts";
export { createPublicServer } from "./public_server.ts";
export type { PublicServer } from "./public_server.ts";
export { keepRotating } from "./rotate_ca.ts";
export { signAppToken } from "./sign_app_token.ts";
export { keepSweeping } from "./sweep.ts";
export { isTicketName, readTicket } from "./ticket.ts";
export type { Ticket } from "./ticket.ts";
