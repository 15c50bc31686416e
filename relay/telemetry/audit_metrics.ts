/** Metrics of the audit log: whether records are safe, and what became of those that are not. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { AuditFigures } from "../../identity/audit/mod.ts";

/** What is read from the audit log when somebody asks for metrics. */
export interface AuditGauges {
  readonly figures: AuditFigures;
}

const COUNTED: readonly [Exclude<keyof AuditFigures, "waiting">, string][] = [
  ["unspooled", "Audit records that could not be written to the spool"],
  ["lost", "Audit records that are lost for good"],
  ["refused", "Audit records that a strict log did not take, with what they tell of"],
];

export function watchAudit(audit: AuditGauges, registers: Registry[]): void {
  for (const [figure, help] of COUNTED) {
    new Counter({
      name: `postern_audit_${figure}_records_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(audit.figures[figure]);
      },
    });
  }
  new Gauge({
    name: "postern_audit_waiting_records",
    help: "Audit records that are not in the store yet",
    registers,
    collect() {
      this.set(audit.figures.waiting);
    },
  });
}
