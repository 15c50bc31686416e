/** MCP over HTTP on this machine, carried to one app: for clients that start no program. */
export { Tunnel, type TunnelOptions } from "./tunnel.ts";
