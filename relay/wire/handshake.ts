/**
 * The JSON bodies of HELLO, WELCOME and END. Unknown members are ignored, so that either side may
 * add some; a missing or ill-typed one is a protocol error.
 */
import { Buffer } from "node:buffer";
import { RelayError } from "../error.ts";
import { isLimitName, type LimitName } from "../limit.ts";
import type { Window } from "./outbox.ts";

/** What the bridge says first. */
export interface Hello {
  /** The session's id, as in the certificate. */
  readonly session: string;
  readonly app: string;
  /** Name and version of the program, for the audit log. */
  readonly client: string;
  /** What the bridge takes ahead of its acknowledgements. */
  readonly window: Window;
  /** That the bridge can resume sessions; and which one it wants to resume, if it does. */
  readonly resume?: Partial<Resumption>;
}

/** What a bridge shows to go on with a session over another connection. */
export interface Resumption {
  /** The id of the session as it was opened; the certificate of this connection has its own. */
  readonly session: string;
  readonly secret: string;
  /** The number of the last message that came. */
  readonly received: number;
  /** Higher with each attempt: one that was given up may arrive behind the one that counts. */
  readonly epoch: number;
}

/** What the agent answers when the session is open. */
export interface Welcome {
  /** That of HELLO; or of the session that goes on. */
  readonly session: string;
  readonly window: Window;
  /** How to resume the session; absent where it ends with its connection. */
  readonly resume?: Resumable;
}

export interface Resumable {
  /** To be shown next time, and once. */
  readonly secret: string;
  /** For how many milliseconds the agent keeps the session when it is not reached. */
  readonly timeout: number;
  /** The number of the last message that came; zero in a new session. */
  readonly received: number;
}

/** Why a session ended; the codes are listed in `docs/protocol.md`. */
export type EndCode =
  | "CLOSED"
  | "ACCESS_DENIED"
  | "AGENT_STOPPING"
  | "APP_UNKNOWN"
  | "AUDIT_UNAVAILABLE"
  | "AUTHORITY_AWAY"
  | "CERTIFICATE_EXPIRED"
  | "CERTIFICATE_REFUSED"
  | "INTERNAL"
  | "LIMIT_EXCEEDED"
  | "LOCKED"
  | "PROTOCOL"
  | "SESSION_UNKNOWN"
  | "TICKET_USED"
  | "UPSTREAM_EXITED"
  | "UPSTREAM_START_FAILED";

export interface End {
  /** An `EndCode`; a newer peer may send one that we do not know. */
  readonly code: EndCode | (string & Record<never, never>);
  /** One sentence for a person. */
  readonly message: string;
  readonly hint?: string;
  /** The limit that was met, with `LIMIT_EXCEEDED`. */
  readonly limit?: LimitName;
}

export function encodeBody(body: Hello | Welcome | End): Buffer {
  return Buffer.from(JSON.stringify(body));
}

export function parseHello(body: Buffer): Hello {
  const fields = parseObject(body, "HELLO");
  return {
    session: text(fields, "session", "HELLO"),
    app: text(fields, "app", "HELLO"),
    client: text(fields, "client", "HELLO"),
    window: parseWindow(fields, "HELLO"),
    ...("resume" in fields && { resume: parseHelloResume(fields["resume"]) }),
  };
}

/** All of it or nothing: half a claim is none. */
function parseHelloResume(value: unknown): Partial<Resumption> {
  const fields = members(value, "HELLO");
  if (Object.keys(fields).length === 0) return {};
  return {
    session: text(fields, "session", "HELLO"),
    secret: text(fields, "secret", "HELLO"),
    received: number(fields, "received", "HELLO"),
    epoch: number(fields, "epoch", "HELLO"),
  };
}

function parseResumable(value: unknown): Resumable {
  const fields = members(value, "WELCOME");
  return {
    secret: text(fields, "secret", "WELCOME"),
    timeout: number(fields, "timeout", "WELCOME"),
    received: number(fields, "received", "WELCOME"),
  };
}

export function parseWelcome(body: Buffer): Welcome {
  const fields = parseObject(body, "WELCOME");
  return {
    session: text(fields, "session", "WELCOME"),
    window: parseWindow(fields, "WELCOME"),
    ...("resume" in fields && { resume: parseResumable(fields["resume"]) }),
  };
}

export function parseEnd(body: Buffer): End {
  const fields = parseObject(body, "END");
  const { hint, limit } = fields;
  return {
    code: text(fields, "code", "END"),
    message: text(fields, "message", "END"),
    ...(typeof hint === "string" && { hint }),
    ...(isLimitName(limit) && { limit }),
  };
}

function parseObject(body: Buffer, frame: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: its body is not JSON`, { cause });
  }
  return members(value, frame);
}

function members(value: unknown, frame: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: what should be an object is none`);
  }
  return value as Record<string, unknown>;
}

function number(fields: Record<string, unknown>, name: string, frame: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: "${name}" is not a count`);
  }
  return value;
}

function text(fields: Record<string, unknown>, name: string, frame: string): string {
  const value = fields[name];
  if (typeof value !== "string") {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: "${name}" is not a string`);
  }
  return value;
}

function parseWindow(fields: Record<string, unknown>, frame: string): Window {
  const { bytes, messages } = (fields["window"] ?? {}) as Record<string, unknown>;
  if (!isCount(bytes) || !isCount(messages)) {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: "window" needs bytes and messages`);
  }
  return { bytes, messages };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
