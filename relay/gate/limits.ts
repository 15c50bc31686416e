/** How much a peer can make the gate remember. Past a limit it refuses; it never forgets. */
export interface GateLimits {
  /** Requests of the client that wait for an answer. */
  readonly clientRequests: number;
  /** Requests of the server that wait for an answer. */
  readonly serverRequests: number;
  /** Cancelled requests whose late answers are still awaited, to be dropped. */
  readonly cancelled: number;
  /** Names remembered from lists, to tell whether a change of policy shows. */
  readonly listedNames: number;
  /** Tasks remembered for one app over all its sessions. */
  readonly tasks: number;
}

export const GATE_LIMITS: GateLimits = {
  clientRequests: 10_000,
  serverRequests: 1_000,
  cancelled: 65_536,
  listedNames: 10_000,
  tasks: 10_000,
};
