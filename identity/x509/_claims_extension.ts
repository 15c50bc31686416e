/**
 * The private extension that carries a certificate's claims: an OCTET STRING that wraps UTF-8
 * JSON. Reading is closed: a missing, misspelled or additional field is no claim at all.
 */
import { Buffer } from "node:buffer";
import { IdentityError } from "../error.ts";
import type { Claims } from "./claims.ts";

/**
 * A random UUID in seven numbers, under the arc that Microsoft keeps open for just that, so that it
 * collides with nobody's. X.667's `2.25` would be shorter, but its one number of 128 bits is more
 * than the ASN.1 library can write: it drops it without a word.
 */
export const CLAIMS_OID =
  "1.2.840.113556.1.8000.2554.15072.9598.3448.17312.39004.12227638.13718700";

/** Raised when old readers must not guess at new claims. */
const VERSION = 1;

/** Certificates travel in every handshake; this leaves room for some hundred roles and traits. */
const MAX_CLAIMS_BYTES = 16 * 1024;

const HEX_ID = /^[0-9a-f]{32}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
// SPIFFE-ID §2.2: the characters of a path segment; `.` and `..` are not segments.
const SEGMENT = /^(?!\.\.?$)[A-Za-z0-9._-]{1,128}$/;

/** The DER value of the extension; throws `BAD_REQUEST` for claims that could not be read again. */
export function encodeClaims(claims: Claims): Uint8Array<ArrayBuffer> {
  const value = { v: VERSION, ...claims };
  const json = Buffer.from(JSON.stringify(value));
  if (parseClaims(value) === undefined || json.length > MAX_CLAIMS_BYTES) {
    throw new IdentityError("BAD_REQUEST", "Cannot put these claims into a certificate", {
      hint: json.length > MAX_CLAIMS_BYTES
        ? `Give the bot fewer roles or traits: ${json.length} bytes, at most ${MAX_CLAIMS_BYTES}`
        : "Names of bots have 1 to 128 letters, digits, dots, hyphens and underscores",
    });
  }
  return new Uint8Array(Buffer.concat([octetStringHeader(json.length), json]));
}

/** The claims in the DER value of the extension, or undefined when it holds anything else. */
export function decodeClaims(der: Uint8Array): Claims | undefined {
  const json = octetStringContent(der);
  if (json === undefined || json.length > MAX_CLAIMS_BYTES) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(json);
    return parseClaims(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** X.690 §8.1.3: the tag and the length of an OCTET STRING of fewer than 64 KiB. */
function octetStringHeader(length: number): Buffer {
  if (length < 0x80) return Buffer.from([0x04, length]);
  if (length < 0x100) return Buffer.from([0x04, 0x81, length]);
  return Buffer.from([0x04, 0x82, length >> 8, length & 0xff]);
}

function octetStringContent(der: Uint8Array): Uint8Array | undefined {
  // DER has one header for each length, so comparing it is parsing it.
  for (const size of [2, 3, 4]) {
    if (der.length < size) return undefined;
    const header = octetStringHeader(der.length - size);
    if (header.length === size && header.equals(der.subarray(0, size))) return der.subarray(size);
  }
  return undefined;
}

function parseClaims(value: unknown): Claims | undefined {
  if (!isRecord(value) || value.v !== VERSION) return undefined;
  switch (value.kind) {
    case "bot":
      return only(value, ["bot", "instance", "generation"]) && isName(value.bot) &&
          isMatch(value.instance, HEX_ID) && isGeneration(value.generation)
        ? {
          kind: "bot",
          bot: value.bot,
          instance: value.instance,
          generation: value.generation,
        }
        : undefined;
    case "identity": {
      const principal = parsePrincipal(value);
      const { app } = value;
      return principal && only(value, [...PRINCIPAL, "reissue", "app"]) &&
          typeof value.reissue === "boolean" && (app === undefined || isText(app))
        ? {
          kind: "identity",
          ...principal,
          reissue: value.reissue,
          ...(app !== undefined && { app }),
        }
        : undefined;
    }
    case "session": {
      const principal = parsePrincipal(value);
      return principal && only(value, [...PRINCIPAL, "app", "session", "ticket"]) &&
          isText(value.app) && isMatch(value.session, UUID) && isText(value.ticket)
        ? {
          kind: "session",
          ...principal,
          app: value.app,
          session: value.session,
          ticket: value.ticket,
        }
        : undefined;
    }
    case "host":
      return only(value, ["role", "host"]) && isHostRole(value.role) && isMatch(value.host, HEX_ID)
        ? { kind: "host", role: value.role, host: value.host }
        : undefined;
    default:
      return undefined;
  }
}

const PRINCIPAL = ["bot", "instance", "roles", "traits"];

function parsePrincipal(value: Record<string, unknown>) {
  const { bot, instance, roles, traits } = value;
  return isName(bot) && isMatch(instance, HEX_ID) && isTexts(roles) && isRecord(traits) &&
      Object.values(traits).every(isStrings)
    ? { bot, instance, roles, traits: traits as Record<string, readonly string[]> }
    : undefined;
}

function only(value: Record<string, unknown>, names: readonly string[]): boolean {
  const allowed = new Set(["v", "kind", ...names]);
  return Object.keys(value).every((key) => allowed.has(key));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isMatch(value: unknown, form: RegExp): value is string {
  return typeof value === "string" && form.test(value);
}

function isName(value: unknown): value is string {
  return isMatch(value, SEGMENT);
}

function isGeneration(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function isHostRole(value: unknown): value is "authority" | "relay" | "agent" {
  return value === "authority" || value === "relay" || value === "agent";
}
