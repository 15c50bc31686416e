/** An exported log: one record on each line as it was written, and after them the signed heads. */
import type { SignedHead } from "./chain.ts";

/** The `type` of a line that is no record but a head. */
const HEAD = "audit.head";

export interface AuditExport {
  readonly records: readonly string[];
  readonly heads: readonly SignedHead[];
}

/** The line for a head. */
export function headLine(head: SignedHead): string {
  return JSON.stringify({ type: HEAD, ...head });
}

/** Takes the lines of an export apart; what is no head counts as a record. */
export function readExport(text: string): AuditExport {
  const records: string[] = [];
  const heads: SignedHead[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const head = line.startsWith(`{"type":"${HEAD}"`) ? parseHead(line) : undefined;
    if (head) heads.push(head);
    else records.push(line);
  }
  return { records, heads };
}

function parseHead(line: string): SignedHead | undefined {
  try {
    const { writer, seq, hash, time, signature } = JSON.parse(line) as SignedHead;
    return { writer, seq, hash, time, signature };
  } catch {
    return undefined;
  }
}
