import { visible } from "./visible.ts";

/** A table for a terminal: headings, a rule under each, columns as wide as they need. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map((row) => row.map(visible));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => (row[column] ?? "").length))
  );
  const rule = widths.map((width) => "-".repeat(width));
  return [headings, rule, ...cells]
    .map((row) => widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" "))
    .map((line) => `${line.trimEnd()}\n`).join("");
}
