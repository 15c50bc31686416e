/** `audit` of `teleport.yaml`, which the original does not have: how events are recorded. */
import { z } from "zod";
import { parsePath } from "../../identity/audit/mod.ts";
import type { AuditMode, RedactionPath } from "../../identity/audit/mod.ts";

export interface AuditSection {
  readonly audit: {
    readonly mode: AuditMode;
    /** What is replaced by digests in recorded messages. */
    readonly redact: readonly RedactionPath[];
    /** Mebibytes of records that may wait for the store. */
    readonly spoolLimitMib: number;
    /** Records that may wait for the store in memory alone. */
    readonly queueLimit: number;
  };
}

const path = z.string().transform((text, context): RedactionPath => {
  const parsed = parsePath(text);
  if (parsed.ok) return parsed.path;
  const message = `"${text}" is not a path: ${parsed.message}`;
  context.issues.push({ code: "custom", input: text, message });
  return z.NEVER;
});

export const AUDIT_DEFAULTS = {
  mode: "best_effort",
  redact: [],
  spoolLimitMib: 256,
  queueLimit: 10_000,
} as const;

export const auditSchema = z.strictObject({
  mode: z.enum(["strict", "best_effort"]).default(AUDIT_DEFAULTS.mode),
  redact: z.array(path).max(100).default([]),
  spool_limit_mib: z.int().min(1).max(65_536).default(AUDIT_DEFAULTS.spoolLimitMib),
  queue_limit: z.int().min(100).max(10_000_000).default(AUDIT_DEFAULTS.queueLimit),
}).transform(({ spool_limit_mib, queue_limit, ...audit }) => ({
  ...audit,
  spoolLimitMib: spool_limit_mib,
  queueLimit: queue_limit,
}))
  .default({ ...AUDIT_DEFAULTS, redact: [] });
