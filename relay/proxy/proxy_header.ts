/**
 * The header in front of a connection by which a load balancer says whose it is: PROXY protocol,
 * versions 1 and 2 (HAProxy, doc/proxy-protocol.txt). What follows it stays unread.
 */
import { Buffer } from "node:buffer";
import { isIPv4, isIPv6, type Socket } from "node:net";
import { RelayError } from "../error.ts";
import { Gather } from "../wire/gather.ts";

/** §2.1: the longest line of version 1, its end included. */
const V1_BYTES = 107;
const V1_MAGIC = Buffer.from("PROXY ");
/** §2.2 */
const V2_MAGIC = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V2_START = 16;
/** Of version 2, addresses and extensions: room for what balancers add, far below what it may say. */
const V2_REST_BYTES = 4096;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const V2_TCP4 = 0x11;
const V2_TCP6 = 0x21;

/** A header that is complete: its length, and the client's address unless it tells of none. */
interface Header {
  readonly bytes: number;
  readonly address: string | undefined;
}

/**
 * Reads the header and leaves the socket paused behind it. Resolves to the client's address, or to
 * `undefined` where the sender speaks for itself (LOCAL, UNKNOWN); rejects with `ROUTE_REFUSED` when
 * there is no header within the time, in milliseconds.
 */
export function readProxyHeader(socket: Socket, ms: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const received = new Gather();
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.off("end", onClose);
      socket.pause();
      outcome();
    };
    const fail = (found: string) =>
      settle(() => reject(new RelayError("ROUTE_REFUSED", `No PROXY protocol: ${found}`)));
    const onClose = () => fail("the connection was closed before its header");
    const onData = (chunk: Buffer) => {
      received.push(chunk);
      let header: Header | undefined;
      try {
        header = parseProxyHeader(received.bytes);
      } catch (error) {
        return fail((error as Error).message);
      }
      if (!header) return;
      const { address, bytes } = header;
      settle(() => {
        const rest = received.take().subarray(bytes);
        if (rest.length > 0) socket.unshift(rest);
        resolve(address);
      });
    };
    const timer = setTimeout(() => fail(`no header within ${ms} ms`), ms);
    socket.on("data", onData);
    socket.on("close", onClose);
    socket.on("end", onClose);
  });
}

/** The header that bytes begin with; `undefined` while it may still come, throws when it cannot. */
export function parseProxyHeader(bytes: Buffer): Header | undefined {
  if (beginsAs(bytes, V2_MAGIC)) return bytes.length < V2_START ? undefined : parseV2(bytes);
  if (beginsAs(bytes, V1_MAGIC)) return parseV1(bytes);
  throw new Error("the connection does not begin with a header");
}

function parseV1(bytes: Buffer): Header | undefined {
  const end = bytes.subarray(0, V1_BYTES).indexOf("\r\n");
  if (end < 0) {
    if (bytes.length >= V1_BYTES) throw new Error("the line is too long");
    return undefined;
  }
  const [, family, source = "", target = "", ...ports] = bytes.toString("latin1", 0, end).split(
    " ",
  );
  const header = { bytes: end + 2, address: source };
  if (family === "UNKNOWN") return { ...header, address: undefined };
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : undefined;
  const whole = isAddress?.(source) && isAddress(target) && ports.length === 2 &&
    ports.every(isPort);
  if (!whole) throw new Error("the line is malformed");
  return header;
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff;
}

function parseV2(bytes: Buffer): Header | undefined {
  const command = bytes[12];
  if (command !== V2_LOCAL && command !== V2_PROXY) throw new Error("an unknown command");
  const rest = bytes.readUInt16BE(14);
  if (rest > V2_REST_BYTES) throw new Error("the header is too long");
  const end = V2_START + rest;
  if (bytes.length < end) return undefined;
  if (command === V2_LOCAL) return { bytes: end, address: undefined };
  const family = bytes[13];
  const wanted = family === V2_TCP4 ? 12 : family === V2_TCP6 ? 36 : undefined;
  // §2.2: who does not know the family takes the connection as its sender's own.
  if (wanted === undefined) return { bytes: end, address: undefined };
  if (rest < wanted) throw new Error("the header is too short for its addresses");
  const at = bytes.subarray(V2_START);
  const address = family === V2_TCP4 ? at.subarray(0, 4).join(".") : groups(at).join(":");
  return { bytes: end, address };
}

function groups(bytes: Buffer): string[] {
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
}

/** Whether the bytes so far are the beginning of the magic, or it theirs. */
function beginsAs(bytes: Buffer, magic: Buffer): boolean {
  const length = Math.min(bytes.length, magic.length);
  return bytes.subarray(0, length).equals(magic.subarray(0, length));
}
