/**
 * Text in, a tree with positions out. The YAML package stays behind this file; JSON is YAML too.
 * What is wrong with the text itself (syntax, duplicate keys, aliases without end) is reported
 * here; what the tree means is for others.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from "yaml";
import type { Document, Pair, ParsedNode } from "yaml";
import type { Position, Problem } from "./problem.ts";

export type SourceNode = SourceMap | SourceList | SourceScalar;

export interface SourceMap {
  readonly kind: "map";
  readonly at: Position;
  readonly entries: readonly SourceEntry[];
}

export interface SourceEntry {
  readonly key: string;
  readonly keyAt: Position;
  readonly value: SourceNode;
}

export interface SourceList {
  readonly kind: "list";
  readonly at: Position;
  readonly items: readonly SourceNode[];
}

export interface SourceScalar {
  readonly kind: "scalar";
  readonly at: Position;
  readonly value: string | number | boolean | null;
  /** Where the first character of the text stands, if the file has it letter by letter. */
  readonly textAt: Position | undefined;
}

/** Larger files are refused before they are parsed. */
export const SOURCE_LIMIT = 4 * 1024 * 1024;
/** Values that aliases may stand for in one file, counted as often as they are used. */
const ALIASED_LIMIT = 50_000;
const DEPTH_LIMIT = 64;

/** Parses every document of a YAML or JSON text; empty documents are left out. */
export function parseSource(
  text: string,
  file: string,
): { documents: SourceNode[]; problems: Problem[] } {
  const start = { file, line: 1, column: 1 };
  if (text.length > SOURCE_LIMIT) {
    return { documents: [], problems: [{ at: start, message: "The file is larger than 4 MiB" }] };
  }
  const lines = new LineCounter();
  let parsed;
  try {
    parsed = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: true,
      merge: true,
    });
  } catch (error) {
    // The parser recurses; a text made of brackets runs it out of stack.
    if (!(error instanceof RangeError)) throw error;
    return { documents: [], problems: [{ at: start, message: "The file is nested too deeply" }] };
  }
  const builder = new TreeBuilder(text, file, lines);
  const documents: SourceNode[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    for (const error of document.errors) {
      builder.problem(error.pos[0], `Not valid YAML: ${firstLine(error.message)}`);
    }
    if (document.errors.length > 0 || document.contents === null) continue;
    const node = builder.build(document);
    if (node && !(node.kind === "scalar" && node.value === null)) documents.push(node);
  }
  return { documents, problems: builder.problems };
}

/** The place of one character inside a scalar's text, as near as the file's notation tells. */
export function locate(scalar: SourceScalar, offset: number): Position {
  const from = scalar.textAt;
  return from === undefined ? scalar.at : { ...from, column: from.column + offset };
}

/** The tree as plain data, positions forgotten. */
export function toPlain(node: SourceNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(toPlain);
    case "map": {
      const plain: Record<string, unknown> = Object.create(null);
      for (const { key, value } of node.entries) plain[key] = toPlain(value);
      return plain;
    }
  }
}

class TreeBuilder {
  readonly problems: Problem[] = [];
  #aliasedLeft = ALIASED_LIMIT;
  #insideAliases = 0;
  #overflowed = false;

  constructor(
    private readonly text: string,
    private readonly file: string,
    private readonly lines: LineCounter,
  ) {}

  build(document: Document.Parsed): SourceNode | undefined {
    const { contents } = document;
    return contents === null ? undefined : this.#node(contents, document, 0);
  }

  problem(offset: number, message: string): void {
    this.problems.push({ at: this.#at(offset), message });
  }

  #at(offset: number): Position {
    const { line, col } = this.lines.linePos(Math.min(offset, this.text.length));
    return { file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #node(node: ParsedNode, document: Document.Parsed, depth: number): SourceNode {
    const start = node.range[0];
    const at = this.#at(start);
    if (this.#insideAliases > 0) this.#aliasedLeft--;
    if (this.#aliasedLeft < 0 || depth > DEPTH_LIMIT) {
      if (!this.#overflowed) {
        this.problem(start, depth > DEPTH_LIMIT ? "Nested too deeply" : "Aliases for too much");
      }
      this.#overflowed = true;
      return { kind: "scalar", at, value: null, textAt: undefined };
    }
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target) {
        this.#insideAliases++;
        const resolved = this.#node(target as ParsedNode, document, depth + 1);
        this.#insideAliases--;
        return resolved;
      }
      this.problem(start, `No anchor is called "${node.source}"`);
      return { kind: "scalar", at, value: null, textAt: undefined };
    }
    if (isMap(node)) {
      return { kind: "map", at, entries: this.#entries(node.items, document, depth) };
    }
    if (isSeq(node)) {
      const items = (node.items as ParsedNode[]).map((i) => this.#node(i, document, depth + 1));
      return { kind: "list", at, items };
    }
    return this.#scalar(node, at);
  }

  #entries(
    pairs: readonly Pair<unknown, unknown>[],
    document: Document.Parsed,
    depth: number,
  ): SourceEntry[] {
    const entries: SourceEntry[] = [];
    const merged: SourceEntry[] = [];
    for (const pair of pairs) {
      const key = pair.key as ParsedNode;
      if (!isScalar(key)) {
        this.problem(key?.range?.[0] ?? 0, "A key must be plain text");
        continue;
      }
      const name = typeof key.source === "string" ? key.source : String(key.value);
      const keyAt = this.#at(key.range?.[0] ?? 0);
      const value: SourceNode = pair.value
        ? this.#node(pair.value as ParsedNode, document, depth + 1)
        : { kind: "scalar", at: keyAt, value: null, textAt: undefined };
      if (name === "<<" && key.type === "PLAIN") merged.push(...mergeable(value));
      else entries.push({ key: name, keyAt, value });
    }
    for (const entry of merged) {
      if (!entries.some(({ key }) => key === entry.key)) entries.push(entry);
    }
    return entries;
  }

  #scalar(node: ParsedNode, at: Position): SourceScalar {
    if (!isScalar(node)) return { kind: "scalar", at, value: null, textAt: undefined };
    const { value } = node;
    const known = typeof value === "string" || typeof value === "number" ||
      typeof value === "boolean" || value === null;
    if (!known) return { kind: "scalar", at, value: String(value), textAt: undefined };
    return { kind: "scalar", at, value, textAt: this.#textAt(node, value, at) };
  }

  #textAt(node: ParsedNode, value: unknown, at: Position): Position | undefined {
    if (typeof value !== "string") return undefined;
    const [start, end] = node.range;
    const quoted = isScalar(node) && (node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE");
    const raw = quoted ? this.text.slice(start + 1, end - 1) : this.text.slice(start, end);
    return raw === value ? { ...at, column: at.column + (quoted ? 1 : 0) } : undefined;
  }
}

/** The entries that `<<: *anchor` or a list of them brings in. */
function mergeable(value: SourceNode): SourceEntry[] {
  if (value.kind === "map") return [...value.entries];
  if (value.kind === "list") return value.items.flatMap(mergeable);
  return [];
}

function firstLine(message: string): string {
  const end = message.indexOf("\n");
  return end === -1 ? message : message.slice(0, end);
}
