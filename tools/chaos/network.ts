// Faults in a cluster whose parts are apart, in network namespaces that it makes itself:
// `deno task chaos:network [faults] [seed] [longest outage, ms] [kind]`, 1,000 and 5,000 without
// numbers, all kinds without one.
// Ends with 1, and the seed, when a promise is broken, and with 0 where there are no namespaces,
// saying so.
import process from "node:process";
import { NO_POSTGRES } from "../../tests/support/postgres_server.ts";
import { noNamespaces, PLAY, runInNamespaces } from "./_namespaces.ts";

const [
  ,
  ,
  faults = "1000",
  seed = `${Math.floor(Math.random() * 2 ** 31)}`,
  longest = "5000",
  ...kind
] = process.argv;
const missing = noNamespaces() || NO_POSTGRES;
if (missing) {
  console.log(`NOT RUN: ${missing}`);
} else {
  console.log(`seed ${seed}`);
  process.exitCode = await runInNamespaces(PLAY, [faults, seed, longest, ...kind]) ?? 1;
}
