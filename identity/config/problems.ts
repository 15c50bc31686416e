/** Turns what a schema found wrong with YAML into places in the file. */
import { isMap, isPair, isScalar } from "yaml";
import type { Document, LineCounter, Node, Pair } from "yaml";
import * as z from "zod";
import type { Problem } from "../../policy/mod.ts";

export type Path = readonly (string | number)[];

export interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** The place of a value, or of the nearest thing around it that stands in the file. */
export function placeOf({ file, document, lines }: Source, path: Path): Problem["at"] {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as Node | undefined;
    const start = node?.range?.[0];
    if (start !== undefined) return position(file, lines, start);
  }
  return { file, line: 1, column: 1 };
}

/** One problem for each thing that `schema` found; keys it does not know come with the nearest one. */
export function schemaProblems(
  source: Source,
  schema: z.ZodType,
  error: z.ZodError,
  base: Path = [],
): Problem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path as (string | number)[];
    if (issue.code !== "unrecognized_keys") {
      const hint: unknown = issue.code === "custom" ? issue.params?.["hint"] : undefined;
      return [{
        at: placeOf(source, [...base, ...path]),
        message: describe(issue),
        ...(typeof hint === "string" ? { hint } : {}),
      }];
    }
    const known = keysAt(schema, path);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      return {
        at: keyPlace(source, [...base, ...path], key),
        message: `unknown key \`${key}\``,
        ...(near === undefined ? {} : { hint: `did you mean \`${near}\`?` }),
      };
    });
  });
}

/** An issue for a schema's `addIssue`, with advice. */
export function hinted(
  message: string,
  hint?: string,
): { code: "custom"; message: string; params?: Record<string, unknown> } {
  return { code: "custom", message, ...(hint === undefined ? {} : { params: { hint } }) };
}

function describe(issue: z.core.$ZodIssue): string {
  const key = issue.path.at(-1);
  if (issue.code === "invalid_type" && issue.message.includes("received undefined")) {
    return `\`${String(key)}\` is missing`;
  }
  if (issue.code === "custom" || !issue.message.startsWith("Invalid ")) return issue.message;
  const message = issue.message.replace(/^Invalid \w+: /, "");
  return typeof key === "string" ? `\`${key}\`: ${message}` : message;
}

function keyPlace(source: Source, path: Path, key: string): Problem["at"] {
  const map = path.length === 0 ? source.document.contents : source.document.getIn(path, true);
  const pair = isMap(map)
    ? map.items.find((item: unknown): item is Pair =>
      isPair(item) && isScalar(item.key) && String(item.key.value) === key
    )
    : undefined;
  const start = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
  return start === undefined ? placeOf(source, path) : position(source.file, source.lines, start);
}

function position(file: string, lines: LineCounter, offset: number): Problem["at"] {
  const { line, col } = lines.linePos(offset);
  return { file, line, column: col };
}

/** The keys that a schema allows at a path. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let current: unknown = schema;
  for (const step of path) {
    current = unwrapped(current);
    if (current instanceof z.ZodObject) current = current.shape[String(step)];
    else if (current instanceof z.ZodArray) current = current.element;
    else if (current instanceof z.ZodRecord) current = current.valueType;
    else return [];
  }
  current = unwrapped(current);
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return unwrapped(schema.unwrap());
  }
  if (!(schema instanceof z.ZodPipe)) return schema;
  // What a transform begins with, and what a shorthand is spelled out to.
  return unwrapped(schema.out instanceof z.ZodTransform ? schema.in : schema.out);
}

/** The known key that is one or two typing mistakes away, if there is one. */
export function nearest(key: string, known: readonly string[]): string | undefined {
  const limit = key.length > 4 ? 2 : 1;
  const ranked = known.map((name) => ({ name, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0] && ranked[0].distance <= limit ? ranked[0].name : undefined;
}

/** A key longer than this is no misspelling of ours, and comparing takes the product of lengths. */
const MAX_COMPARED = 64;

function editDistance(a: string, b: string): number {
  if (a.length > MAX_COMPARED) return Infinity;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? Infinity;
}
