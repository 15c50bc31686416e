/**
 * The chain of an audit log: each record carries its number and the hash of the record before it,
 * so that none can be changed, taken out, put in or moved without the next one showing it. Whoever
 * stores records signs the newest, so that a cut end shows as well. A record is the text of an
 * event, one JSON document without a line end; its hash is the SHA-256 of that text in UTF-8.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, hash, sign, verify } from "node:crypto";
/** Where a chain ends: its writer, the number of its last record (0 for none), and that one's hash. */
export interface Head {
  /** 32 hex digits. */
  readonly writer: string;
  readonly seq: number;
  /** 64 hex digits. */
  readonly hash: string;
}

/** A head that the authority has stored everything up to. */
export interface SignedHead extends Head {
  /** RFC 3339. */
  readonly time: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** What a record says of its place. */
export interface Link {
  readonly writer: string;
  readonly seq: number;
  /** The hash of the record before. */
  readonly prev: string;
}

/** The end of a chain that has no record yet. */
export function emptyChain(writer: string): Head {
  return { writer, seq: 0, hash: hashOf(`postern audit chain ${writer}`) };
}

/** The record of an event, given as a JSON object, that comes next, and the head after it. */
export function nextRecord(
  { writer, seq, hash }: Head,
  event: string,
): { readonly text: string; readonly head: Head } {
  const chain = `{"writer":"${writer}","seq":${seq + 1},"prev":"${hash}"}`;
  const text = `${event.slice(0, -1)},"chain":${chain}}`;
  return { text, head: { writer, seq: seq + 1, hash: hashOf(text) } };
}

/** What a record says of its place, if it is one of a chain. */
export function linkOf(event: Readonly<Record<string, unknown>>): Link | undefined {
  const { chain } = event;
  if (typeof chain !== "object" || chain === null) return undefined;
  const { writer, seq, prev } = chain as Partial<Link>;
  return typeof writer === "string" && Number.isSafeInteger(seq) && typeof prev === "string"
    ? { writer, seq: Number(seq), prev }
    : undefined;
}

export function hashOf(text: string): string {
  return hash("sha256", text, "hex");
}

/** Signs a head; `privateKey` is PEM. */
export function signHead(head: Head, time: Date, privateKey: string): SignedHead {
  const { writer, seq, hash } = head;
  const stamped = { writer, seq, hash, time: time.toISOString() };
  const signature = sign(null, signedBytes(stamped), createPrivateKey(privateKey));
  return { ...stamped, signature: signature.toString("base64") };
}

/** Whether the holder of the key has signed this head; `publicKey` is PEM. */
export function verifyHead(head: SignedHead, publicKey: string): boolean {
  const signature = Buffer.from(head.signature, "base64");
  return verify(null, signedBytes(head), createPublicKey(publicKey), signature);
}

function signedBytes({ writer, seq, hash, time }: Omit<SignedHead, "signature">): Buffer {
  return Buffer.from(`postern audit head\0${JSON.stringify([writer, seq, hash, time])}`);
}

/** The head after a record. Throws when the text is not one. */
export function headOf({ text }: { readonly text: string }): Head {
  const link = linkOf(JSON.parse(text));
  if (link === undefined) throw new TypeError("The text is no record of a chain");
  return { writer: link.writer, seq: link.seq, hash: hashOf(text) };
}
