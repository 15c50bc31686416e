/**
 * The JSON bodies of HELLO, WELCOME and END. Unknown members are ignored, so that either side may
 * add some (resuming will); a missing or ill-typed one is a protocol error.
 */
import { Buffer } from "node:buffer";
import { RelayError } from "../error.ts";
import type { LimitName } from "../limit.ts";
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
}

/** What the agent answers when the session is open. */
export interface Welcome {
  readonly session: string;
  readonly window: Window;
}

/** Why a session ended; the codes are listed in `docs/protocol.md`. */
export type EndCode =
  | "CLOSED"
  | "ACCESS_DENIED"
  | "AGENT_STOPPING"
  | "APP_UNKNOWN"
  | "AUDIT_UNAVAILABLE"
  | "CERTIFICATE_EXPIRED"
  | "CERTIFICATE_REFUSED"
  | "INTERNAL"
  | "LIMIT_EXCEEDED"
  | "LOCKED"
  | "PROTOCOL"
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
  };
}

export function parseWelcome(body: Buffer): Welcome {
  const fields = parseObject(body, "WELCOME");
  return { session: text(fields, "session", "WELCOME"), window: parseWindow(fields, "WELCOME") };
}

export function parseEnd(body: Buffer): End {
  const fields = parseObject(body, "END");
  const end = { code: text(fields, "code", "END"), message: text(fields, "message", "END") };
  return typeof fields["hint"] === "string" ? { ...end, hint: fields["hint"] } : end;
}

function parseObject(body: Buffer, frame: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: its body is not JSON`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RelayError("PROTOCOL", `Cannot read a ${frame}: its body is not an object`);
  }
  return value as Record<string, unknown>;
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
