/** What is mutated: the lines of the gate's vectors, and recorded traffic of real servers. */
import { readdirSync, readFileSync } from "node:fs";
import { vectors } from "../../tests/relay/gate_support.ts";

const TRAFFIC = new URL("../../tests/vectors/traffic/", import.meta.url);

export function seeds(): readonly Uint8Array[] {
  const crafted = ["attacks", "gate"].flatMap(vectors)
    .flatMap(({ steps }) => steps.map(({ line }) => line)).filter(({ length }) => length > 0);
  return [...crafted, ...recorded()];
}

/** Lines of real traffic, as they were. */
export function recorded(): readonly Uint8Array[] {
  return readdirSync(TRAFFIC).sort().flatMap((file) =>
    readFileSync(new URL(file, TRAFFIC), "utf8").split("\n").filter((line) => line !== "")
  ).map((line) => new TextEncoder().encode(line));
}
