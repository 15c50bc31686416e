/** Cuts a text of resources into documents, and keeps the place of each. */
import { LineCounter, parseAllDocuments } from "yaml";
import type { Document } from "yaml";
import type { Problem } from "../../../policy/mod.ts";
import type { Source } from "../../config/problems.ts";

/** Far beyond any set of resources that somebody writes. */
export const MAX_TEXT_CHARS = 4 * 1024 * 1024;
const MAX_DOCUMENTS = 1000;
/** Aliases may unfold to more than memory holds; a resource has use for few. */
const MAX_ALIASES = 100;

export interface ResourceDocument {
  readonly source: Source;
  /** The document alone, at the lines and columns that it has in the file. */
  readonly text: string;
  readonly value: unknown;
}

/** The documents of a text that are not empty; `problems` when one of them is not YAML. */
export function readDocuments(
  text: string,
  file: string,
): { documents: ResourceDocument[]; problems: Problem[] } {
  const start = { file, line: 1, column: 1 };
  if (text.length > MAX_TEXT_CHARS) {
    return { documents: [], problems: [{ at: start, message: "The text is larger than 4 MiB" }] };
  }
  const lines = new LineCounter();
  let parsed: Document.Parsed[];
  try {
    const all = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true });
    parsed = Array.isArray(all) ? all : [];
  } catch {
    // The parser recurses; a text made of brackets runs it out of stack.
    return { documents: [], problems: [{ at: start, message: "The text is nested too deeply" }] };
  }
  if (parsed.length > MAX_DOCUMENTS) {
    const message = `There are more than ${MAX_DOCUMENTS} documents`;
    return { documents: [], problems: [{ at: start, message, hint: "use several files" }] };
  }
  const documents: ResourceDocument[] = [];
  const problems: Problem[] = [];
  for (const document of parsed) {
    for (const { pos, message } of document.errors) {
      const { line, col } = lines.linePos(pos[0]);
      const [first = ""] = message.split("\n");
      problems.push({ at: { file, line, column: col }, message: `Not valid YAML: ${first}` });
    }
    if (document.errors.length > 0) continue;
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      if (value === null || value === undefined) continue;
      documents.push({ source: { file, document, lines }, text: inPlace(text, document), value });
    } catch (error) {
      const { line, col } = lines.linePos(document.range[0]);
      problems.push({ at: { file, line, column: col }, message: String(error) });
    }
  }
  return { documents, problems };
}

function inPlace(text: string, { range: [from, , to] }: Document.Parsed): string {
  const before = text.slice(0, from);
  const lineStart = before.lastIndexOf("\n") + 1;
  const indent = before.slice(lineStart).replaceAll("\ufeff", "").replace(/./gu, " ");
  return "\n".repeat(before.split("\n").length - 1) + indent + text.slice(from, to);
}
