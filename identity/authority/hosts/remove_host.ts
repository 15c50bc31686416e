import type { Transaction } from "../../storage/store.ts";
import type { AppPinItem, HostItem } from "../cluster.ts";

/** Takes a host out, with what it serves and the names that it kept; whether there was one. */
export async function removeHost(tx: Transaction, host: string): Promise<HostItem | undefined> {
  const item = await tx.get<HostItem>("host", host);
  if (!item) return undefined;
  await tx.delete("host", host);
  await tx.delete("agent", host);
  await tx.delete("relay", host);
  for (const pin of await tx.list<AppPinItem>("app_pin")) {
    if (pin.value.host === host) await tx.delete("app_pin", pin.name);
  }
  return item.value;
}
