/** A place in a file; line and column count from 1, the column in UTF-16 code units. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong with a document, and how to mend it. */
export interface Problem {
  readonly at: Position;
  readonly message: string;
  readonly hint?: string;
}

/** How many problems people are told at once; a broken file can have thousands. */
const TOLD = 50;

/** One line for each problem, as far as anybody would read. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = problems.slice(0, TOLD).map(formatProblem);
  if (problems.length > TOLD) lines.push(`… and ${problems.length - TOLD} more`);
  return lines.join("\n");
}

/** `file:line:column: message`, the form that editors and terminals make clickable. */
export function formatProblem({ at, message, hint }: Problem): string {
  const place = `${at.file}:${at.line}:${at.column}: ${message}`;
  return hint === undefined ? place : `${place} (${hint})`;
}
