// Findings for people, programs, code scanners and GitHub's annotations.
import type { Position } from "../problem.ts";
import { unreachable } from "../decision.ts";
import type { Finding } from "./finding.ts";
import { sarifLog } from "./_sarif.ts";

export type FindingFormat = "text" | "json" | "sarif" | "github";

/** Texts of the files that findings are about, by the name in their positions. */
export type Sources = ReadonlyMap<string, string>;

/** Writes findings in a format, a newline at the end; text and GitHub are empty without findings. */
export function formatFindings(
  findings: readonly Finding[],
  format: FindingFormat,
  sources: Sources,
): string {
  switch (format) {
    case "text":
      return forPeople(findings, sources);
    case "json":
      return `${JSON.stringify({ findings }, undefined, 2)}\n`;
    case "sarif":
      return `${JSON.stringify(sarifLog(findings), undefined, 2)}\n`;
    case "github":
      return findings.map(asAnnotation).join("");
    default:
      return unreachable(format);
  }
}

/** Findings beyond this are for programs to read. */
const TOLD = 200;

function forPeople(findings: readonly Finding[], sources: Sources): string {
  const texts = findings.slice(0, TOLD).map((found) => asText(found, sources));
  const rest = findings.length - TOLD;
  if (rest > 0) texts.push(`… and ${rest} more findings; --format=json has them all\n`);
  return texts.join("\n");
}

function asText(found: Finding, sources: Sources): string {
  const { at, severity, rule, message, hint, related = [] } = found;
  const lines = [
    `${at.file}:${at.line}:${at.column}: ${severity}: ${visible(message)} [${rule}]`,
    ...excerpt(at, sources),
    ...related.map((other) =>
      `  ${other.at.file}:${other.at.line}:${other.at.column}: ${visible(other.message)}`
    ),
  ];
  if (hint !== undefined) lines.push(`  hint: ${visible(hint)}`);
  return `${lines.join("\n")}\n`;
}

/** The line, and marks under what the finding is about. */
function excerpt({ file, line, column }: Position, sources: Sources): string[] {
  const text = sources.get(file)?.split("\n")[line - 1]?.replace(/\r$/, "");
  if (text === undefined) return [];
  const margin = String(line).length + 2;
  const before = text.slice(0, column - 1).replace(/[^\t]/g, " ");
  return [
    `${" ".repeat(2)}${line} | ${visible(text)}`,
    `${" ".repeat(margin)} | ${before}${"^".repeat(scalarLength(text, column - 1))}`,
  ];
}

/** How long the scalar that starts at an index is, as far as one line tells. */
function scalarLength(text: string, start: number): number {
  const quote = text[start];
  if (quote === '"' || quote === "'") {
    const end = text.indexOf(quote, start + 1);
    return end < 0 ? 1 : end + 1 - start;
  }
  const inFlow = /[[{]/.test(text.slice(0, start));
  const rest = text.slice(start).split(inFlow ? /[,\]}]| #/ : / #/, 1)[0]!;
  return Math.max(1, rest.trimEnd().length);
}

/** `::warning file=…::message`, with GitHub's escapes. */
function asAnnotation({ at, severity, rule, message, hint }: Finding): string {
  const level = severity === "info" ? "notice" : severity;
  const text = hint === undefined ? message : `${message} (${hint})`;
  const place = `file=${property(at.file)},line=${at.line},col=${at.column}`;
  return `::${level} ${place},title=${property(rule)}::${data(text)}\n`;
}

function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

/** Control characters of a file must not reach a terminal. */
function visible(text: string): string {
  return text.replace(/[^\t\P{Cc}]/gu, "\ufffd");
}
