/**
 * Checks chains of records offline: what was changed, taken out, put in, moved or cut off since
 * they were written, and where. Nothing is trusted but the key that heads are verified with.
 */
import { emptyChain, hashOf, linkOf, type SignedHead, verifyHead } from "./chain.ts";

/** One place where a chain does not hold. */
export interface Break {
  readonly kind:
    /** The record is not the one that was chained, or what the next one says of it is not. */
    | "changed"
    /** Records are missing in front of this one. */
    | "removed"
    /** The record stands where it was not written: it was moved, or put in. */
    | "moved"
    /** The text is no record. */
    | "unreadable"
    /** A head was signed for records that are not there. */
    | "cut"
    /** The signature of a head is not the cluster's. */
    | "bad_signature";
  /** The number of the record among those given, from 1; of the last one for heads. */
  readonly record: number;
  readonly uid: string | undefined;
  readonly time: string | undefined;
  readonly message: string;
}

export interface ChainReport {
  readonly writer: string;
  readonly records: number;
  readonly first: number;
  readonly last: number;
  /** Records up to here are vouched for by a verified head. */
  readonly signedTo: number | undefined;
}

export interface VerifyReport {
  readonly records: number;
  /** Records from before there were chains. */
  readonly unchained: number;
  readonly chains: readonly ChainReport[];
  readonly breaks: readonly Break[];
}

export interface VerifyOptions {
  readonly heads: readonly SignedHead[];
  /** The cluster's key for heads, PEM; without it no head is believed. */
  readonly publicKey: string | undefined;
}

interface Place {
  readonly record: number;
  readonly uid: string | undefined;
  readonly time: string | undefined;
}

interface Chain {
  records: number;
  first: number;
  seq: number;
  hash: string;
  place: Place;
  /** Hashes by number, as far as heads ask for them. */
  readonly wanted: Map<number, string | undefined>;
}

/** Breaks that are told one by one. */
const MAX_BREAKS = 1000;

/** Checks records in the order in which they were stored. */
export async function verifyRecords(
  texts: AsyncIterable<string> | Iterable<string>,
  { heads, publicKey }: VerifyOptions,
): Promise<VerifyReport> {
  const chains = new Map<string, Chain>();
  const breaks: Break[] = [];
  const report = (kind: Break["kind"], place: Place, message: string) => {
    if (breaks.length < MAX_BREAKS) breaks.push({ kind, ...place, message });
  };
  let record = 0;
  let unchained = 0;
  for await (const text of texts) {
    record++;
    const event = parse(text);
    const place = { record, uid: textOf(event?.["uid"]), time: textOf(event?.["time"]) };
    const link = event && linkOf(event);
    if (!event) report("unreadable", place, "it is no JSON object");
    if (!link) {
      if (event && chains.size > 0) report("moved", place, "it belongs to no chain");
      else if (event) unchained++;
      continue;
    }
    const chain = chains.get(link.writer) ?? newChain(link.writer, heads, place);
    chains.set(link.writer, chain);
    const hash = hashOf(text);
    const next = chain.seq + 1;
    if (chain.records === 0) chain.first = link.seq;
    if (link.seq > next) {
      report("removed", place, `records ${next} to ${link.seq - 1} of its chain are missing`);
    } else if (link.seq < next) {
      report("moved", place, `it is number ${link.seq} of its chain, and ${next} comes here`);
      // The chain goes on behind it as if it were not there.
      continue;
    } else if (link.prev !== chain.hash) {
      const what = chain.records === 0 ? "the beginning" : `record ${chain.place.record}`;
      report(
        "changed",
        chain.records === 0 ? place : chain.place,
        `${what} is not what was chained`,
      );
    }
    chain.records++;
    chain.seq = link.seq;
    chain.hash = hash;
    chain.place = place;
    if (chain.wanted.has(link.seq)) chain.wanted.set(link.seq, hash);
  }
  const signedTo = checkHeads(heads, publicKey, chains, record, report);
  return {
    records: record,
    unchained,
    chains: [...chains].map(([writer, { records, first, seq }]) => ({
      writer,
      records,
      first,
      last: seq,
      signedTo: signedTo.get(writer),
    })),
    breaks,
  };
}

function checkHeads(
  heads: readonly SignedHead[],
  publicKey: string | undefined,
  chains: ReadonlyMap<string, Chain>,
  record: number,
  report: (kind: Break["kind"], place: Place, message: string) => void,
): Map<string, number> {
  const signedTo = new Map<string, number>();
  for (const head of heads) {
    if (publicKey === undefined) continue;
    const chain = chains.get(head.writer);
    const place = chain?.place ?? { record, uid: undefined, time: undefined };
    if (!isSigned(head, publicKey)) {
      report(
        "bad_signature",
        place,
        `the head of number ${head.seq} is not signed by this cluster`,
      );
      continue;
    }
    const hash = chain?.wanted.get(head.seq);
    if (chain === undefined || head.seq > chain.seq) {
      const from = (chain?.seq ?? 0) + 1;
      report(
        "cut",
        place,
        `records ${from} to ${head.seq} of the chain were stored, and are missing`,
      );
    } else if (hash !== undefined && hash !== head.hash) {
      report("changed", place, `number ${head.seq} of the chain is not what was signed`);
    } else signedTo.set(head.writer, Math.max(head.seq, signedTo.get(head.writer) ?? 0));
  }
  return signedTo;
}

function isSigned(head: SignedHead, publicKey: string): boolean {
  try {
    return verifyHead(head, publicKey);
  } catch {
    return false;
  }
}

function newChain(writer: string, heads: readonly SignedHead[], place: Place): Chain {
  const own = heads.filter((head) => head.writer === writer);
  return {
    ...emptyChain(writer),
    records: 0,
    first: 0,
    place,
    wanted: new Map(own.map(({ seq }) => [seq, undefined])),
  };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
