/**
 * The audit log of a cluster whose store is in this process. An event is recorded, durably, before
 * `append` resolves; events that arrive together are written together.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Store } from "../storage/store.ts";
import type { AuditEvent, AuditSink, EventDraft } from "./event.ts";

export interface AuditLogOptions {
  readonly cluster: string;
  readonly store: Store;
  readonly clock: Clock;
}

export class AuditLog implements AuditSink {
  readonly #options: AuditLogOptions;
  #waiting: AuditEvent[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  append(draft: EventDraft): Promise<void> {
    this.#waiting.push({
      ...draft,
      time: this.#options.clock.now().toISOString(),
      uid: randomUUID(),
      cluster_name: this.#options.cluster,
    });
    // Whoever comes while a group is being written joins the next one.
    if (this.#waiting.length === 1) {
      this.#writing = this.#writing.catch(() => {}).then(() => this.#writeGroup());
    }
    return this.#writing;
  }

  #writeGroup(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = [];
    return this.#options.store.keepEvents(group);
  }
}
