import { headOf, linkOf, type SignedHead } from "../../audit/chain.ts";
import { storeShipper } from "../../audit/store_shipper.ts";
import type { Shipper } from "../../audit/shipper.ts";
import { IdentityError } from "../../error.ts";
import type { NumberedRecord } from "../../storage/pack_records.ts";
import type { ShipRequest } from "../api.ts";
import type { Cluster } from "../cluster.ts";
import type { HostCaller } from "./identify_host.ts";

/** The store as the place of one agent's records: its id is the name of its chain. */
export function hostShipper({ store, clock, keys }: Cluster, { host }: HostCaller): Shipper {
  return storeShipper({ store, clock, privateKey: keys.audit.privateKey, writer: host });
}

/**
 * Takes records of an agent's chain. What an agent can say is bounded: what happened in sessions, in
 * its own name and in the order of its own chain.
 */
export async function receiveRecords(
  cluster: Cluster,
  caller: HostCaller,
  { records, head, durable }: ShipRequest,
): Promise<SignedHead> {
  let seq = records[0]!.seq - 1;
  for (const record of records) {
    check(record, caller.host, ++seq);
  }
  const last = headOf(records.at(-1)!);
  if (last.seq !== head.seq || last.hash !== head.hash || head.writer !== caller.host) {
    throw refused("the head is not that of the last record");
  }
  return await hostShipper(cluster, caller).ship(records, head, { durable });
}

function check({ seq, text }: NumberedRecord, host: string, expected: number): void {
  let event: Record<string, unknown>;
  try {
    event = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw refused("a record is no JSON");
  }
  const link = linkOf(event);
  if (link?.writer !== host || link.seq !== seq || seq < expected || text.includes("\n")) {
    throw refused("a record is not of this host's chain");
  }
  const type = String(event["type"]);
  if (!type.startsWith("mcp.") && type !== "audit.gap") {
    throw refused("an agent records what happens in sessions, and nothing else");
  }
}

function refused(because: string): IdentityError {
  return new IdentityError("BAD_REQUEST", `Cannot take these audit records: ${because}`);
}
