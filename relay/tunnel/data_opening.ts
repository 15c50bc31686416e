/**
 * How a data connection begins, in both directions. It is plain TCP, since TLS from end to end runs
 * inside; what admits it was told over the control link, which is mTLS.
 *
 * The agent says first: 8 bytes `PSTNDATA`, the offer's id (16), HMAC-SHA256 (32) over `agent`, a zero
 * byte and the id. It is then open and idle, until the relay says: a length (2, big-endian), so many
 * bytes of JSON, and HMAC-SHA256 (32) over `client`, a zero byte and the JSON. What follows are the
 * bytes of the client, and to the client, as they are.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { RelayError } from "../error.ts";

/** No TLS record begins like this. */
export const DATA_MAGIC = Buffer.from("PSTNDATA");
const ID_BYTES = 16;
const MAC_BYTES = 32;
export const DATA_OPENING_BYTES = DATA_MAGIC.length + ID_BYTES + MAC_BYTES;
const MAX_HEADER_BYTES = 1024;

/** One data connection that the relay would like to have: good for one. */
export interface Offer {
  /** 32 hex digits. */
  readonly id: string;
  /** 64 hex digits; whoever shows that they know it is the agent. */
  readonly secret: string;
}

export function newOffer(): Offer {
  return { id: randomBytes(ID_BYTES).toString("hex"), secret: randomBytes(32).toString("hex") };
}

/** What the relay says of whoever it has connected. */
export interface DataHeader {
  /** The client's address, as the relay sees it. */
  readonly address: string;
}

export function dataOpening({ id, secret }: Offer): Buffer {
  const bytes = Buffer.from(id, "hex");
  return Buffer.concat([DATA_MAGIC, bytes, mac(secret, "agent", bytes)]);
}

/** The id that an opening names, before anything is proven. */
export function openingId(opening: Buffer): string {
  return opening.toString("hex", DATA_MAGIC.length, DATA_MAGIC.length + ID_BYTES);
}

export function provesOffer(opening: Buffer, offer: Offer): boolean {
  // Constant time: a proof must not be found byte by byte.
  return opening.length === DATA_OPENING_BYTES && timingSafeEqual(opening, dataOpening(offer));
}

export function dataHeader(header: DataHeader, { secret }: Offer): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(json.length);
  return Buffer.concat([length, json, mac(secret, "client", json)]);
}

/** Waits for the relay's header; what follows it stays unread. Rejects when there comes none. */
export function readDataHeader(socket: Duplex, { secret }: Offer): Promise<DataHeader> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (outcome: () => void) => {
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.pause();
      outcome();
    };
    const fail = (found: string) =>
      settle(() => reject(new RelayError("PROTOCOL", `Cannot take a connection: ${found}`)));
    const onClose = () => fail("it was closed before it was used");
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const length = received.readUInt16BE();
      if (length > MAX_HEADER_BYTES) return fail("the header is too long");
      const end = 2 + length + MAC_BYTES;
      if (received.length < end) return;
      const json = received.subarray(2, 2 + length);
      if (!timingSafeEqual(received.subarray(2 + length, end), mac(secret, "client", json))) {
        return fail("the header is not by the relay");
      }
      const rest = received.subarray(end);
      settle(() => {
        if (rest.length > 0) socket.unshift(rest);
        resolve(JSON.parse(json.toString()) as DataHeader);
      });
    };
    socket.on("close", onClose);
    socket.on("data", onData);
  });
}

function mac(secret: string, who: "agent" | "client", bytes: Uint8Array): Buffer {
  return createHmac("sha256", Buffer.from(secret, "hex")).update(`${who}\0`).update(bytes).digest();
}
