import type { NumberedRecord } from "../storage/mod.ts";
import type { Head, SignedHead } from "./chain.ts";

/** The way to the authority, which may be in this process. */
export interface Shipper {
  /** The end of this writer's chain as far as it is stored. */
  head(): Promise<Head>;
  /**
   * Stores the records that are new, in their order, and signs the head after them. `durable`:
   * resolves once a power cut cannot undo it.
   */
  ship(
    records: readonly NumberedRecord[],
    head: Head,
    options: { readonly durable: boolean },
  ): Promise<SignedHead>;
}
