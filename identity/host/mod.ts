/** What agents and relays in other processes than the authority's are to the cluster. */
export { connectHost, type HostClient } from "./host_client.ts";
export { JoinedHost, type JoinedHostOptions } from "./joined_host.ts";
export { Presence, type PresenceOptions } from "./presence.ts";
