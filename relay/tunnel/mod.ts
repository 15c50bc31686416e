/** The way from a relay to agents that are elsewhere: they dial in, and nothing listens at them. */
export { DATA_MAGIC, DATA_OPENING_BYTES } from "./data_opening.ts";
export { type DialRelaysOptions, type RelayAddress, RelayDialler } from "./dial_relays.ts";
export { joinStreams } from "./join_streams.ts";
export {
  DEFAULT_TUNNEL_LIMITS,
  TUNNEL_NAME,
  type TunnelLimits,
  Tunnels,
  type TunnelsOptions,
} from "./tunnels.ts";
