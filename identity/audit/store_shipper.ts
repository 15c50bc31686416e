import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import { packRecords } from "../storage/pack_records.ts";
import type { Store } from "../storage/store.ts";
import { emptyChain, headOf, linkOf, type SignedHead, signHead } from "./chain.ts";
import type { Shipper } from "./shipper.ts";

export interface StoreShipperOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Signs heads, PEM. */
  readonly privateKey: string;
  /** Whose chain it is, when several hosts write to the store. */
  readonly host?: string | undefined;
  /** Whose records they are; those of processes on this store when absent. */
  readonly writer?: string;
}

/** How far back the newest record of a writer is looked for. */
const LOOK_BACK = 1000;

const HEADS = "audit_head/";

/** Delivers to a store in this process, and signs as the authority. */
export function storeShipper(
  { store, clock, privateKey, host, writer: known }: StoreShipperOptions,
): Shipper {
  return {
    async head() {
      const writer = known ?? await writerOf(store, host);
      const records = await store.latestRecords(LOOK_BACK);
      const last = records.findLast(({ text }) => linkOf(JSON.parse(text))?.writer === writer);
      return last ? headOf(last) : (await headsIn(store)).get(writer) ?? emptyChain(writer);
    },
    async ship(records, head, { durable }) {
      const stored = await store.lastNumber(head.writer);
      const packed = await packRecords(head.writer, records.filter(({ seq }) => seq > stored));
      const signed = signHead(head, clock.now(), privateKey);
      await store.update(async (tx) => {
        for (const piece of packed) await tx.keepRecords(piece);
        await tx.put("settings", HEADS + head.writer, signed);
      }, { durable });
      return signed;
    },
  };
}

/** The newest signed heads in a store, by writer. */
export async function headsIn(store: Store): Promise<ReadonlyMap<string, SignedHead>> {
  const items = await store.list<SignedHead>("settings");
  return new Map(
    items.filter(({ name }) => name.startsWith(HEADS)).map(({ value }) => [value.writer, value]),
  );
}

/** The name under which the processes of a host write, one after the other. */
function writerOf(store: Store, host: string | undefined): Promise<string> {
  return store.update(async (tx) => {
    const own = host === undefined ? UNNAMED : `${WRITERS}${host}`;
    const stored = await tx.get<{ writer: string }>("settings", own);
    if (stored) return stored.value.writer;
    // Of a store from before hosts had a chain each, the first one goes on with what is there.
    const former = await tx.get<{ writer: string }>("settings", UNNAMED);
    if (former) await tx.delete("settings", UNNAMED);
    const writer = former?.value.writer ?? randomBytes(16).toString("hex");
    await tx.put("settings", own, { writer });
    return writer;
  });
}

const UNNAMED = "audit";
const WRITERS = "audit_writer/";
