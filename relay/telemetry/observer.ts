/**
 * Who may watch sessions: metrics and traces. An observer hears what the audit log hears, decides
 * nothing and never delays a message. Without one, a session does no work for it.
 */
import type { App, SessionClaims } from "../../identity/mod.ts";
import type { GateRecord, GateStep } from "../gate/step.ts";
import type { LimitName } from "../limit.ts";
import type { End } from "../wire/handshake.ts";

export interface AgentObserver {
  /** A session is about to start. */
  session(app: App, claims: SessionClaims): SessionObserver;
  /** Somebody proven was refused before there was a session. */
  refused(app: App | undefined): void;
  /** Somebody without a session has met a limit. */
  limited(limit: LimitName): void;
}

export interface SessionObserver {
  /** Hears a step for a message of the client; what is returned is done in its place. */
  fromClient(step: GateStep): GateStep;
  /** Hears records of other messages. */
  noted(records: readonly GateRecord[]): void;
  /** The server could not be started. */
  startFailed(): void;
  ended(end: End): void;
}

/** Lets several observers watch; each may change what the one before has left to do. */
export function allObservers(observers: readonly AgentObserver[]): AgentObserver | undefined {
  if (observers.length <= 1) return observers[0];
  return {
    session(app, claims) {
      const sessions = observers.map((observer) => observer.session(app, claims));
      return {
        fromClient: (step) => sessions.reduce((last, session) => session.fromClient(last), step),
        noted: (records) => sessions.forEach((session) => session.noted(records)),
        startFailed: () => sessions.forEach((session) => session.startFailed()),
        ended: (end) => sessions.forEach((session) => session.ended(end)),
      };
    },
    refused: (app) => observers.forEach((observer) => observer.refused(app)),
    limited: (limit) => observers.forEach((observer) => observer.limited(limit)),
  };
}
