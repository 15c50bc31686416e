// The findings that a program can mend without a doubt: a rule that adds nothing goes.
import type { Finding } from "./finding.ts";
import type { Sources } from "./format_findings.ts";

/** A line that goes. */
export interface TextEdit {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly remove: string;
}

export interface Fixes {
  readonly edits: readonly TextEdit[];
  /** The whole new text of each file that changes. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Removes covered rules that stand on a line of their own. All findings of one `lintRoles` can be
 * mended together: a rule is only called covered by rules that stay.
 */
export function fixRoles(findings: readonly Finding[], sources: Sources): Fixes {
  const edits = findings.flatMap((found) => removal(found, sources));
  const texts = new Map<string, string>();
  for (const file of new Set(edits.map((edit) => edit.file))) {
    const gone = new Set(edits.filter((edit) => edit.file === file).map((edit) => edit.line));
    const lines = sources.get(file)!.split("\n");
    texts.set(file, lines.filter((_, index) => !gone.has(index + 1)).join("\n"));
  }
  return { edits, texts };
}

function removal({ rule, at }: Finding, sources: Sources): TextEdit[] {
  const lines = sources.get(at.file)?.split("\n");
  const line = lines?.[at.line - 1];
  if (rule !== "covered-rule" || line === undefined) return [];
  const before = line.slice(0, at.column - 1).trim();
  if (before !== "-" || !isWholeScalar(line.slice(at.column - 1).trim())) return [];
  // A scalar that goes on in the next line stands deeper than its dash.
  const next = lines?.slice(at.line).find((l) => l.trim() !== "");
  if (next !== undefined && indent(next) > line.indexOf("-")) return [];
  return [{ file: at.file, line: at.line, remove: line }];
}

/** One plain or quoted scalar, and nothing that could be more than that: no key, tag or anchor. */
function isWholeScalar(text: string): boolean {
  const quote = text[0];
  if (quote === '"' || quote === "'") {
    return text.length > 1 && text.indexOf(quote, 1) === text.length - 1 && !text.includes("\\");
  }
  return text !== "" && !"&*!|>{[%@`#".includes(text[0]!) && !text.includes(": ") &&
    !text.endsWith(":") && !text.includes(" #");
}

function indent(line: string): number {
  return line.length - line.trimStart().length;
}
