/**
 * Route tickets: the server name (SNI) by which a session reaches its agent. A ticket is signed by
 * the authority and good for a minute; relays hold the public key alone. It routes and no more:
 * the agent decides by the client's certificate, which names the ticket's id.
 *
 * Layout, in bytes: version 1, expiry 4 (seconds since 1970, big-endian), id 10, agent 16,
 * Ed25519 signature 64; in base32 (RFC 4648 §6, lower case, no padding), over DNS labels of at most
 * 63 letters, below `route.internal`.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";

const SUFFIX = ".route.internal";
const VERSION = 1;
const ID_BYTES = 10;
const AGENT_BYTES = 16;
const BODY_BYTES = 1 + 4 + ID_BYTES + AGENT_BYTES;
const SIGNATURE_BYTES = 64;
const LABEL_LETTERS = 63;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const CONTEXT = Buffer.from("postern route ticket\0");

/** How long a ticket may be used: long enough for a slow dial, too short to be worth stealing. */
export const TICKET_SECONDS = 60;

export interface Ticket {
  /** 20 hex digits; also in the session certificate, and accepted by its agent once. */
  readonly id: string;
  /** The agent's host id, 32 hex digits. */
  readonly agent: string;
  readonly expires: Date;
}

/** The server name that carries a ticket. */
export function signTicket(ticket: Ticket, privateKey: string): string {
  const body = Buffer.alloc(BODY_BYTES);
  body.writeUInt8(VERSION, 0);
  body.writeUInt32BE(Math.floor(ticket.expires.getTime() / 1000), 1);
  body.write(ticket.id, 5, ID_BYTES, "hex");
  body.write(ticket.agent, 5 + ID_BYTES, AGENT_BYTES, "hex");
  const key = createPrivateKey(privateKey);
  const letters = toBase32(Buffer.concat([body, sign(null, signedBytes(body), key)]));
  const labels: string[] = [];
  for (let at = 0; at < letters.length; at += LABEL_LETTERS) {
    labels.push(letters.slice(at, at + LABEL_LETTERS));
  }
  return labels.join(".") + SUFFIX;
}

/** Whether a server name is meant as a ticket, good or not; all others are names of hosts. */
export function isTicketName(servername: string): boolean {
  return servername.toLowerCase().endsWith(SUFFIX);
}

/**
 * The ticket in a server name, if the authority signed it and it has not expired. What is wrong
 * with any other name is not told: unknown, forged and expired look alike.
 */
export function readTicket(servername: string, publicKey: string, now: Date): Ticket | undefined {
  const name = servername.toLowerCase();
  if (!name.endsWith(SUFFIX)) return undefined;
  const bytes = fromBase32(name.slice(0, -SUFFIX.length).replaceAll(".", ""));
  if (bytes?.length !== BODY_BYTES + SIGNATURE_BYTES || bytes[0] !== VERSION) return undefined;
  const body = bytes.subarray(0, BODY_BYTES);
  const signature = bytes.subarray(BODY_BYTES);
  if (!verify(null, signedBytes(body), createPublicKey(publicKey), signature)) return undefined;
  const expires = new Date(body.readUInt32BE(1) * 1000);
  if (expires <= now) return undefined;
  return {
    id: body.toString("hex", 5, 5 + ID_BYTES),
    agent: body.toString("hex", 5 + ID_BYTES),
    expires,
  };
}

// A prefix of its own, so that the key's signature on something else is never a ticket.
function signedBytes(body: Buffer): Buffer {
  return Buffer.concat([CONTEXT, body]);
}

function toBase32(bytes: Uint8Array): string {
  let letters = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) letters += ALPHABET[(value >>> (bits - 5)) & 31];
    value &= 0xff;
  }
  return bits > 0 ? letters + ALPHABET[(value << (5 - bits)) & 31] : letters;
}

function fromBase32(letters: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of letters) {
    const digit = ALPHABET.indexOf(letter);
    if (digit < 0) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}
