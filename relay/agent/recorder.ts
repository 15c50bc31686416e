import type { AuditSink, EventDraft } from "../../identity/mod.ts";
import { RelayError } from "../error.ts";
import type { GateRecord } from "../gate/step.ts";
import type { SessionEvents } from "./events.ts";

/**
 * Writes a session's events to the audit log. INVARIANT (recorded first): whoever passes a message
 * on waits for what this returns, and a rejection ends the session.
 */
export class Recorder {
  readonly #events: SessionEvents;
  readonly #audit: AuditSink;

  constructor(events: SessionEvents, audit: AuditSink) {
    this.#events = events;
    this.#audit = audit;
  }

  /** Records what the gate has noted; `undefined` if nothing of it is worth an event. */
  messages(records: readonly GateRecord[]): Promise<void> | undefined {
    const drafts: EventDraft[] = [];
    for (const record of records) {
      const draft = this.#events.message(record);
      if (draft) drafts.push(draft);
    }
    return drafts.length === 0 ? undefined : this.#append(drafts);
  }

  start(details: Parameters<SessionEvents["start"]>[0]): Promise<void> {
    return this.#append([this.#events.start(details)]);
  }

  end(details: Parameters<SessionEvents["end"]>[0]): Promise<void> {
    return this.#append([this.#events.end(details)]);
  }

  async #append(drafts: readonly EventDraft[]): Promise<void> {
    try {
      await Promise.all(drafts.map((draft) => this.#audit.append(draft)));
    } catch (cause) {
      throw new RelayError("AUDIT_UNAVAILABLE", "The session cannot be recorded", { cause });
    }
  }
}
