/** `audit` of `teleport.yaml`, which the original does not have: how events are recorded. */
import { z } from "zod";
import { parsePath } from "../../identity/audit/mod.ts";
import type { AuditMode, RedactionPath } from "../../identity/audit/mod.ts";

export interface AuditSection {
  readonly audit: {
    readonly mode: AuditMode;
    /** What is replaced by digests in recorded messages. */
    readonly redact: readonly RedactionPath[];
  };
}

const path = z.string().transform((text, context): RedactionPath => {
  const parsed = parsePath(text);
  if (parsed.ok) return parsed.path;
  const message = `"${text}" is not a path: ${parsed.message}`;
  context.issues.push({ code: "custom", input: text, message });
  return z.NEVER;
});

export const auditSchema = z.strictObject({
  mode: z.enum(["strict", "best_effort"]).default("best_effort"),
  redact: z.array(path).max(100).default([]),
}).default({ mode: "best_effort", redact: [] });
