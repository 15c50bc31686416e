/**
 * Reads the ClientHello at the start of a connection without taking it away. The bytes are
 * collected here, bounded in number and time, over as many segments and TLS records as they come
 * in; what they mean is the business of `read-tls-client-hello`.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { getExtensionData, readTlsClientHello } from "read-tls-client-hello";
import { RelayError } from "../error.ts";
import { Gather } from "../wire/gather.ts";

export interface HelloLimits {
  /** Bytes that may arrive before the hello is complete; a post-quantum one takes about 2,000. */
  readonly bytes: number;
  /** Milliseconds that it may take. */
  readonly milliseconds: number;
}

export const DEFAULT_HELLO_LIMITS: HelloLimits = { bytes: 64 * 1024, milliseconds: 10_000 };

const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const HANDSHAKE_RECORD = 0x16;
const CLIENT_HELLO = 0x01;

/** RFC 8446 §5.1: a plaintext record carries at most 2^14 bytes. */
const MAX_RECORD = 16 * 1024;

/** What fits into the one record that the package reads. */
const MAX_HELLO = 0xffff;

/** How a connection begins that is no TLS: these bytes, and so many in all. */
export interface Preamble {
  readonly magic: Buffer;
  readonly bytes: number;
}

export type Opening =
  /** A ClientHello, which stays unread; `servername` is in lower case, and absent if there is none. */
  | { readonly kind: "tls"; readonly servername: string | undefined }
  /** A preamble, which is taken away. */
  | { readonly kind: "preamble"; readonly bytes: Buffer };

/**
 * Resolves to what a connection begins with, and leaves the socket paused. Rejects when it is none
 * of what it may be within the limits.
 */
export function readOpening(
  socket: Socket,
  preambles: readonly Preamble[],
  limits: HelloLimits = DEFAULT_HELLO_LIMITS,
): Promise<Opening> {
  return new Promise((resolve, reject) => {
    const received = new Gather();
    const records = new HelloRecords();
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      socket.off("close", onClose);
      socket.off("end", onClose);
      stopReading();
      outcome();
    };
    const stopReading = () => {
      socket.off("data", onData);
      socket.pause();
    };
    const fail = (message: string, cause?: unknown) =>
      settle(() => reject(new RelayError("ROUTE_REFUSED", `Cannot route: ${message}`, { cause })));
    const onClose = () => fail("the connection was closed before a ClientHello");
    const onData = (chunk: Buffer) => {
      received.push(chunk);
      const preamble = preambles.find(({ magic }) => beginsAs(received.bytes, magic));
      if (preamble) {
        if (received.length < preamble.bytes) return;
        stopReading();
        const all = received.take();
        const rest = all.subarray(preamble.bytes);
        if (rest.length > 0) socket.unshift(rest);
        return settle(() => resolve({ kind: "preamble", bytes: all.subarray(0, preamble.bytes) }));
      }
      let hello: Buffer | undefined;
      try {
        hello = records.read(received.bytes);
      } catch (cause) {
        return fail((cause as Error).message, cause);
      }
      if (hello) {
        stopReading();
        socket.unshift(received.take());
        parseServerName(hello).then(
          (servername) => settle(() => resolve({ kind: "tls", servername })),
          (cause) => fail("the ClientHello is malformed", cause),
        );
      } else if (received.length >= limits.bytes) {
        fail(`no ClientHello within ${limits.bytes} bytes`);
      }
    };
    // The parser is under the clock as well: some malformed hellos leave it waiting for more.
    const timer = setTimeout(
      () => fail(`no ClientHello within ${limits.milliseconds} ms`),
      limits.milliseconds,
    );
    socket.on("close", onClose);
    socket.on("end", onClose);
    socket.on("data", onData);
    // Whoever has read what came before has left it paused.
    socket.resume();
  });
}

/** Whether the bytes so far are the beginning of the magic, or it theirs. */
function beginsAs(bytes: Buffer, magic: Buffer): boolean {
  const length = Math.min(bytes.length, magic.length);
  return bytes.subarray(0, length).equals(magic.subarray(0, length));
}

/** Puts the handshake message together from its records; each byte is looked at once. */
class HelloRecords {
  readonly #hello = new Gather();
  #at = 0;

  /** Takes all bytes so far; returns the message once it is complete, throws if it cannot be one. */
  read(bytes: Buffer): Buffer | undefined {
    while (bytes.length > this.#at) {
      if (bytes[this.#at] !== HANDSHAKE_RECORD) throw new Error("this is not TLS");
      if (bytes.length < this.#at + RECORD_HEADER) return undefined;
      const length = bytes.readUInt16BE(this.#at + 3);
      if (length === 0 || length > MAX_RECORD) throw new Error("a record has no possible length");
      const start = this.#at + RECORD_HEADER;
      if (bytes.length < start + length) return undefined;
      this.#hello.push(bytes.subarray(start, start + length));
      this.#at = start + length;

      const hello = this.#hello.bytes;
      if (hello[0] !== CLIENT_HELLO) throw new Error("the first message is not a ClientHello");
      if (hello.length < HANDSHAKE_HEADER) continue;
      const end = HANDSHAKE_HEADER + hello.readUIntBE(1, 3);
      if (end > MAX_HELLO) throw new Error("the ClientHello is too long");
      if (hello.length >= end) return hello.subarray(0, end);
    }
    return undefined;
  }
}

async function parseServerName(hello: Buffer): Promise<string | undefined> {
  const record = Buffer.alloc(RECORD_HEADER);
  record[0] = HANDSHAKE_RECORD;
  record.writeUInt16BE(0x0301, 1);
  record.writeUInt16BE(hello.length, 3);
  const bytes = Buffer.concat([record, hello]);
  const parsed = await readTlsClientHello(Readable.from([bytes], { objectMode: false }));
  const extension = getExtensionData(parsed, "sni");
  if (extension === undefined) return undefined;
  if (!extension?.serverName) throw new Error("the server name is malformed");
  // RFC 6066 §3: names compare without regard to case.
  return extension.serverName.toLowerCase();
}
