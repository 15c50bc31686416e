// What reading one message costs: the scanner against JSON.parse and JSON.parse + stringify.
// `bun tools/bench/scanner.ts` prints microseconds a message: medians of interleaved rounds.
import process from "node:process";
import { peekMessage } from "../../relay/wire/peek.ts";
import { scanMessage } from "../../relay/wire/scanner.ts";

const ROUNDS = 9;
const ROUND_MS = 60;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

const engines: Record<string, (line: Uint8Array) => unknown> = {
  scan: (line) => scanMessage(line),
  peek: (line) => peekMessage(line),
  parse: (line) => JSON.parse(decoder.decode(line)),
  "parse+str": (line) => encoder.encode(JSON.stringify(JSON.parse(decoder.decode(line)))),
};

const lines: Record<string, Uint8Array> = {
  "1 kB flat": call({ text: "x".repeat(900) }),
  "1 kB tree": call({ items: tree(900) }),
  "1 kB prose": call({ text: prose(900) }),
  "100 kB tree": call({ items: tree(100_000) }),
  "10 MB tree": call({ items: tree(10_000_000) }),
  "10 MB flat": call({ text: "x".repeat(10_000_000) }),
  "10 MB prose": call({ text: prose(10_000_000) }),
};

print(["message", ...Object.keys(engines)]);
for (const [name, line] of Object.entries(lines)) {
  const medians = measure(line);
  print([name, ...Object.keys(engines).map((engine) => medians[engine]!.toFixed(1))]);
}

function measure(line: Uint8Array): Record<string, number> {
  const times: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, read] of Object.entries(engines)) {
      const start = performance.now();
      let count = 0;
      do {
        read(line);
        count++;
      } while (performance.now() - start < ROUND_MS);
      (times[name] ??= []).push((performance.now() - start) * 1000 / count);
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, all]) => [name, all.toSorted((a, b) => a - b)[ROUNDS >> 1]!]),
  );
}

function call(args: object): Uint8Array {
  const params = { name: "echo", arguments: args };
  return encoder.encode(JSON.stringify({ method: "tools/call", params, jsonrpc: "2.0", id: 1 }));
}

/** Many small fields. */
function tree(bytes: number): unknown[] {
  const items: unknown[] = [];
  for (let size = 0, k = 0; size < bytes; k++) {
    const item = { id: k, name: `item ${k}`, ok: k % 2 === 0, score: k / 7, tags: ["a", "bb"] };
    size += JSON.stringify(item).length + 1;
    items.push(item);
  }
  return items;
}

/** Text with an escape every few words. */
function prose(bytes: number): string {
  return 'the "quick" brown fox\njumps over the lazy dog. '.repeat(bytes / 48);
}

function print(cells: readonly string[]): void {
  process.stdout.write(cells.map((cell) => cell.padStart(12)).join("") + "\n");
}
