// Writes to a store without end, and says on stdout which write has been confirmed; its parent
// kills it somewhere, or it kills itself within a transaction.
import { writeSync } from "node:fs";
import process from "node:process";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";

const [directory = "", dieAt = ""] = process.argv.slice(2);
const sealing = { key: new Uint8Array(32).fill(7) };
const store = openSqliteStore({ directory, now: () => new Date(), sealing });
const last = (await store.get<{ generation: number }>("instance", "i"))?.value.generation ?? 0;
for (let generation = last + 1;; generation++) {
  await store.update(async (tx) => {
    await tx.put("instance", "i", { generation });
    await tx.put("ca", "keys", { generation });
    if (generation - last === Number(dieAt)) process.kill(process.pid, "SIGKILL");
    await tx.delete("token", `t${generation - 1}`);
    await tx.put("token", `t${generation}`, {});
  });
  writeSync(1, `${generation}\n`);
}
