/**
 * What the readers out there may make of a line. A gateway has let a call through when one of them
 * finds it, whatever the gateway itself has read.
 */
import type { Buffer } from "node:buffer";

/** The tools that a gateway must deny. */
export const DENIED = ["kit_denied", "kit_secret_tool"];

/** Every method and tool name that some reader finds in a line that reached the server. */
export function forbiddenIn(line: Buffer): string | undefined {
  const text = line.toString("utf8");
  // Readers of lines also cut at CR, and some at U+2028 and U+2029.
  for (const piece of [text, ...text.split(/[\r\u2028\u2029]/)]) {
    for (const value of everyReading(piece)) {
      const found = inValue(value);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** A JSON value with the members of each object as a list: none is lost. */
type Node =
  | { readonly members: readonly (readonly [string, Node])[] }
  | { readonly items: Node[] }
  | {
    readonly value: unknown;
  };

function inValue(node: Node): string | undefined {
  if ("items" in node) return node.items.map(inValue).find((found) => found !== undefined);
  if (!("members" in node)) return undefined;
  const methods = valuesAt([node], "method");
  if (!methods.some((method) => clean(method) === "tools/call")) return undefined;
  const names = valuesAt(nodesAt([node], "params"), "name");
  return names.map(clean).find((name) => DENIED.includes(name));
}

/** Spaces, controls and case are no protection: some servers trim, cut or fold. */
function clean(value: unknown): string {
  return String(value).split("\0")[0]!.replace(/[\p{Cc} ]/gu, "").toLowerCase();
}

function nodesAt(nodes: readonly Node[], key: string): Node[] {
  return nodes.flatMap((node) =>
    "members" in node ? node.members.filter(([name]) => folds(name) === key).map(([, n]) => n) : []
  );
}

function valuesAt(nodes: readonly Node[], key: string): unknown[] {
  return nodesAt(nodes, key).flatMap((node) => "value" in node ? [node.value] : []);
}

/** Go folds by Unicode: the long s and the Kelvin sign are letters of ASCII to it. */
function folds(name: string): string {
  return name.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
}

/**
 * The values of a text one after another, with every member of every object: a reader that keeps
 * one of two keys, or stops after the first value, sees a part of this.
 */
function everyReading(text: string): Node[] {
  const found: Node[] = [];
  const rest = text.replace(/^\ufeff/, "");
  try {
    for (let at = skip(rest, 0); at < rest.length; at = skip(rest, at)) {
      at = readNode(rest, at, found, 0);
    }
  } catch {
    // No JSON from here on.
  }
  return found;
}

const MAX_DEPTH = 500;
const SPACE = /[ \t\r\n]*/y;
const SCALAR = /"(?:[^"\\]|\\.)*"|[^,\]}\s]+/y;

/** Reads one value at `at`, pushes it, and returns where it ends. */
function readNode(text: string, at: number, into: Node[], depth: number): number {
  if (depth > MAX_DEPTH) throw new RangeError("too deep to be read");
  at = skip(text, at);
  const open = text[at];
  if (open !== "{" && open !== "[") {
    SCALAR.lastIndex = at;
    const [scalar] = SCALAR.exec(text) ?? [];
    if (scalar === undefined) throw new SyntaxError("no value");
    into.push({ value: JSON.parse(scalar) });
    return at + scalar.length;
  }
  const close = open === "{" ? "}" : "]";
  const members: [string, Node][] = [];
  const items: Node[] = [];
  at = skip(text, at + 1);
  while (text[at] !== close) {
    const found: Node[] = [];
    let key = "";
    if (open === "{") {
      at = readNode(text, at, found, depth + 1);
      const name = found.pop();
      key = name && "value" in name ? String(name.value) : "";
      at = skip(text, at);
      if (text[at] !== ":") throw new SyntaxError("no colon");
      at++;
    }
    at = skip(text, readNode(text, at, found, depth + 1));
    const value = found[0]!;
    if (open === "{") members.push([key, value]);
    else items.push(value);
    if (text[at] === ",") at = skip(text, at + 1);
    else if (text[at] !== close) throw new SyntaxError("no end");
  }
  into.push(open === "{" ? { members } : { items });
  return at + 1;
}

function skip(text: string, at: number): number {
  SPACE.lastIndex = at;
  return at + (SPACE.exec(text)?.[0].length ?? 0);
}
