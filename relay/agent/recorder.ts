import {
  type AuditSink,
  type Clock,
  type EventDraft,
  type EventJson,
  IdentityError,
} from "../../identity/mod.ts";
import { RelayError } from "../error.ts";
import type { GateRecord, Withheld } from "../gate/step.ts";
import type { RecordedHeaders } from "./egress.ts";
import type { SessionEvents } from "./events.ts";
import { type Handshake, handshakeIn } from "./mcp_handshake.ts";
import type { OwnRequest } from "./own_request.ts";
import type { Listened } from "./upstream/upstream.ts";

/**
 * Writes a session's events to the audit log. INVARIANT (recorded first): whoever passes a message
 * on waits for what this returns, and a rejection ends the session.
 *
 * The event of the session's start waits until the handshake is over, as the original's does, so
 * that it can say who the client and the server are. Any other event brings it out.
 */
export class Recorder {
  readonly #events: SessionEvents;
  readonly #audit: AuditSink;
  readonly #clock: Clock;
  readonly #isNew: (withheld: Withheld) => boolean;
  readonly #began: number;
  #start: EventDraft | undefined;
  #serverSession: () => string | undefined = () => undefined;
  #handshake: Handshake = {};
  /** Streams that were asked for before the start was told: at most the one of SSE. */
  #early: EventDraft[] = [];
  /** When a request was passed on, by its decision; the gate bounds how many wait. */
  readonly #asked = new Map<string, number>();
  readonly #counts = { requests: 0, notifications: 0, refused: 0 };

  /** `isNew` tells of withheld definitions whether they are worth an event. */
  constructor(
    events: SessionEvents,
    audit: AuditSink,
    clock: Clock,
    isNew: (withheld: Withheld) => boolean,
  ) {
    this.#isNew = isNew;
    this.#events = events;
    this.#audit = audit;
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  /** The session has begun; nothing of it has been passed on yet. */
  start(
    { serverSession, ...details }: Parameters<SessionEvents["start"]>[0] & {
      /** The id that the server has for the session; asked once the handshake is over. */
      serverSession: () => string | undefined;
    },
  ): void {
    this.#start = this.#events.start(details);
    this.#serverSession = serverSession;
  }

  /** Other headers are sent from now on. */
  sends(headers: RecordedHeaders | undefined): void {
    this.#events.sends(headers);
  }

  /** Records how a server has answered when it was asked for a stream. */
  listened(listened: Listened): Promise<void> | undefined {
    const event = this.#events.listened(listened);
    if (!this.#start) return this.#append([event]);
    this.#early.push(event);
  }

  /** Records what the agent asks the server itself. */
  asked(request: OwnRequest): Promise<void> {
    const event = this.#events.asked(request);
    return this.#append(this.#start ? [...this.#started(this.#start), event] : [event]);
  }

  /** Records what the gate has noted; `undefined` if nothing of it is worth an event. */
  messages(records: readonly GateRecord[]): Promise<void> | undefined {
    const events: (EventDraft | EventJson)[] = [];
    for (const record of records) {
      this.#count(record);
      const event = this.#events.message(record, this.#latency(record));
      if (this.#start && this.#shakenHands(record, event)) {
        events.push(...this.#started(this.#start));
      }
      if (event !== undefined) events.push(event);
      for (const each of record.withheld ?? []) {
        if (this.#isNew(each)) events.push(this.#events.withheld(each));
      }
    }
    return events.length === 0 ? undefined : this.#append(events);
  }

  end(details: Omit<Parameters<SessionEvents["end"]>[0], "duration" | "counts">): Promise<void> {
    const duration = this.#clock.monotonic() - this.#began;
    const end = this.#events.end({ ...details, duration, counts: this.#counts });
    return this.#append(this.#start ? [...this.#started(this.#start), end] : [end]);
  }

  /** The session goes on over another connection. */
  resumed(details: Parameters<SessionEvents["resumed"]>[0]): Promise<void> {
    const event = this.#events.resumed(details);
    return this.#append(this.#start ? [...this.#started(this.#start), event] : [event]);
  }

  /** Whether the start of the session is to be told now, before this record. */
  #shakenHands(record: GateRecord, event: EventJson | undefined): boolean {
    this.#handshake = { ...this.#handshake, ...handshakeIn(record) };
    if (record.method !== "initialize") return event !== undefined;
    return record.kind !== "request";
  }

  #started(start: EventDraft): EventDraft[] {
    const id = this.#serverSession();
    const early = this.#early;
    this.#start = undefined;
    this.#early = [];
    const session = id === undefined ? {} : { mcp_session_id: id };
    return [{ ...start, ...this.#handshake, ...session }, ...early];
  }

  #count({ kind, from, outcome }: GateRecord): void {
    if (outcome !== "forwarded") this.#counts.refused++;
    if (from !== "client") return;
    if (kind === "request") this.#counts.requests++;
    if (kind === "notification") this.#counts.notifications++;
  }

  /** Milliseconds from a request to its outcome, which this record is. */
  #latency({ kind, decisionId, outcome }: GateRecord): number | undefined {
    if (decisionId === undefined) return undefined;
    if (kind === "request") {
      if (outcome === "forwarded") this.#asked.set(decisionId, this.#clock.monotonic());
      return undefined;
    }
    const asked = this.#asked.get(decisionId);
    this.#asked.delete(decisionId);
    return asked === undefined ? undefined : this.#clock.monotonic() - asked;
  }

  #append(events: readonly (EventDraft | EventJson)[]): Promise<void> {
    const [first, ...others] = events.map((event) => this.#audit.append(event));
    const all = others.length === 0 ? first! : Promise.all([first, ...others]).then(() => {});
    return all.catch(unavailable);
  }
}

/** A peer is told what the log's own errors say: a limit by its name, no path and no content. */
function unavailable(cause: unknown): never {
  const found = cause instanceof IdentityError ? `: ${cause.message}` : "";
  throw new RelayError("AUDIT_UNAVAILABLE", `The session cannot be recorded${found}`, { cause });
}
