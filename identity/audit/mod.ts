/** The audit log: records in a chain, redaction, and the check of chains. */
export { type AuditFigures, AuditLog, type AuditLogOptions, type AuditMode } from "./audit_log.ts";
export { EVENT_CODES, type EventCode, type EventType } from "./event_codes.ts";
export { type Head, type SignedHead, verifyHead } from "./chain.ts";
export { createRedactor, parsePath, type Path as RedactionPath, type Redactor } from "./redact.ts";
export { type AuditExport, headLine, readExport } from "./export.ts";
export { type Break, type ChainReport, verifyRecords, type VerifyReport } from "./verify.ts";
export type { Shipper } from "./shipper.ts";
