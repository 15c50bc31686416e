import { nearest } from "./_nearest.ts";
import type { Position, Problem } from "./problem.ts";
import type { SourceMap, SourceNode, SourceScalar } from "./source.ts";

/** Gathers what is wrong with a document, and what is accepted without effect, while it is read. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly notices: Problem[] = [];

  problem(at: Position, message: string, hint?: string): undefined {
    this.problems.push(hint === undefined ? { at, message } : { at, message, hint });
    return undefined;
  }

  notice(at: Position, message: string, hint?: string): void {
    this.notices.push(hint === undefined ? { at, message } : { at, message, hint });
  }
}

export interface Field {
  readonly keyAt: Position;
  readonly value: SourceNode;
}

/**
 * The fields of a mapping, each known by name. Unknown ones are problems with the nearest name;
 * those of `tolerated` are notices; a field without a value counts as absent.
 */
export function readFields(
  node: SourceMap,
  path: string,
  known: readonly string[],
  findings: Findings,
  tolerated: ReadonlySet<string> = new Set(),
): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const { key, keyAt, value } of node.entries) {
    const name = path === "" ? key : `${path}.${key}`;
    if (known.includes(key)) {
      if (!isNull(value)) fields.set(key, { keyAt, value });
    } else if (tolerated.has(key)) {
      findings.notice(keyAt, `${name} is kept and not enforced: it does not concern MCP access`);
    } else {
      const meant = nearest(key, [...known, ...tolerated]);
      findings.problem(
        keyAt,
        `${name} is not a known field`,
        meant === undefined ? `known here are ${known.join(", ")}` : `did you mean ${meant}?`,
      );
    }
  }
  return fields;
}

export function isNull(node: SourceNode): boolean {
  return node.kind === "scalar" && node.value === null;
}

/** The mapping that a field must be, or a problem. */
export function asMap(node: SourceNode, path: string, findings: Findings): SourceMap | undefined {
  if (node.kind === "map") return node;
  return findings.problem(node.at, `${path} must be a mapping, not ${kindOf(node)}`);
}

/** The text that a value must be, or a problem; numbers and booleans are not guessed at. */
export function asText(node: SourceNode, path: string, findings: Findings): TextNode | undefined {
  if (isText(node)) return node;
  const quotable = node.kind === "scalar" && node.value !== null;
  return findings.problem(
    node.at,
    `${path} must be text, not ${kindOf(node)}`,
    quotable ? `quote it: "${node.value}"` : undefined,
  );
}

/** A list of texts; one text alone stands for a list of one where `single` allows it. */
export function asTexts(
  node: SourceNode,
  path: string,
  findings: Findings,
  single: boolean,
): { readonly node: TextNode; readonly path: string }[] {
  if (single && node.kind === "scalar") {
    const text = asText(node, path, findings);
    return text ? [{ node: text, path }] : [];
  }
  if (node.kind !== "list") {
    findings.problem(node.at, `${path} must be a list, not ${kindOf(node)}`);
    return [];
  }
  const texts: { node: TextNode; path: string }[] = [];
  for (const [index, item] of node.items.entries()) {
    const text = asText(item, `${path}[${index}]`, findings);
    if (text) texts.push({ node: text, path: `${path}[${index}]` });
  }
  return texts;
}

export type TextNode = SourceScalar & { readonly value: string };

function isText(node: SourceNode): node is TextNode {
  return node.kind === "scalar" && typeof node.value === "string";
}

export function kindOf(node: SourceNode): string {
  if (node.kind === "map") return "a mapping";
  if (node.kind === "list") return "a list";
  return node.value === null ? "empty" : `a ${typeof node.value}`;
}
