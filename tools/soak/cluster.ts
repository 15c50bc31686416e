// Traffic, short-lived certificates and memory: `deno task soak:cluster [minutes]`, 60 without a
// number. A cluster whose parts are apart is called all the time, tbot renews every five seconds, and
// memory and handles of every program are sampled. Ends with 1 when one of them grows, and with 0
// where there are no namespaces, saying so.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { NO_POSTGRES } from "../../tests/support/postgres_server.ts";
import { noNamespaces, runInNamespaces } from "../chaos/_namespaces.ts";

const minutes = process.argv[2] ?? "60";
const missing = noNamespaces() || NO_POSTGRES;
if (missing) {
  console.log(`NOT RUN: ${missing}`);
} else {
  const script = fileURLToPath(new URL("./_cluster_soak.ts", import.meta.url));
  process.exitCode = await runInNamespaces(script, [minutes]) ?? 1;
}
