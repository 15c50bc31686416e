/**
 * Places for connections at the public API. Who has proven nothing yet gets one of few, for a short
 * time, and no source address gets many; a machine, agent or relay whose certificate holds leaves
 * that place for one of its own kind. So strangers can keep out strangers at most.
 */
import type { Socket } from "node:net";
import { SourceLimit, type SourceLimits } from "../source_limit.ts";

export interface PlaceLimits {
  readonly strangers: SourceLimits;
  /** Milliseconds that a stranger's connection may take as a whole: joins and questions are short. */
  readonly strangerLife: number;
  /** Connections whose certificate holds. */
  readonly proven: number;
}

export const DEFAULT_PLACE_LIMITS: PlaceLimits = {
  strangers: { total: 1024, perSource: 128 },
  strangerLife: 60_000,
  proven: 8192,
};

/** A socket, or the TLS socket on it. */
type Caller = Pick<Socket, "remoteAddress" | "remotePort">;

export class Places {
  readonly #limits: PlaceLimits;
  readonly #strangers: SourceLimit;
  /** By address and port of the caller: a TLS socket does not tell which socket it came from. */
  readonly #promotions = new Map<string, () => boolean>();
  /** Addresses of clients that relays have told. */
  readonly #told = new Map<string, string>();
  #proven = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
    this.#strangers = new SourceLimit(limits.strangers);
  }

  /**
   * A connection that has just come, from an address that a relay may have told; `false`: there is
   * no place, and nothing is kept of it.
   */
  enter(socket: Socket, told?: string): boolean {
    const leave = this.#strangers.take(told ?? socket.remoteAddress);
    if (!leave) return false;
    const caller = callerOf(socket);
    if (told !== undefined) {
      this.#told.set(caller, told);
      socket.once("close", () => this.#told.delete(caller));
    }
    const deadline = setTimeout(() => socket.destroy(), this.#limits.strangerLife);
    const settle = () => {
      clearTimeout(deadline);
      this.#promotions.delete(caller);
      leave();
    };
    this.#promotions.set(caller, () => {
      if (this.#proven >= this.#limits.proven) return false;
      settle();
      this.#proven++;
      socket.once("close", () => this.#proven--);
      return true;
    });
    socket.once("close", settle);
    return true;
  }

  /** Its certificate holds; `false`: there is no place of that kind, and it stays a stranger. */
  prove(socket: Caller): boolean {
    return this.#promotions.get(callerOf(socket))?.() ?? false;
  }

  /** Where a caller is: as a relay has told it, or else where its connection comes from. */
  addressOf(socket: Caller): string {
    return this.#told.get(callerOf(socket)) ?? socket.remoteAddress ?? "unknown";
  }
}

function callerOf({ remoteAddress, remotePort }: Caller): string {
  return `${remoteAddress} ${remotePort}`;
}
