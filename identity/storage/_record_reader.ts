import { unpackRecords } from "./pack_records.ts";
import type { StoredEvent, StoredRecord } from "./store.ts";

/** A row of packed records; numbers may come as text. */
export interface PieceRow {
  /** The place of its last record in the order of arrival. */
  readonly last: unknown;
  readonly count: unknown;
  readonly packed: Uint8Array;
}

/** What an engine has to find: the rows before and after a place in the order of arrival. */
export interface Pieces {
  before(place: number): Promise<PieceRow | undefined>;
  after(place: number): Promise<PieceRow | undefined>;
}

/** Reads audit records out of packed rows, one row at a time. */
export class RecordReader {
  readonly #pieces: Pieces;

  constructor(pieces: Pieces) {
    this.#pieces = pieces;
  }

  async latest(limit: number): Promise<StoredRecord[]> {
    const found: StoredRecord[] = [];
    for await (const piece of this.#fromNewest()) {
      found.unshift(...piece);
      if (found.length >= limit) break;
    }
    return limit > 0 ? found.slice(-limit) : [];
  }

  async after(seq: number, limit: number): Promise<StoredRecord[]> {
    const found: StoredRecord[] = [];
    for (let after = seq; found.length < limit;) {
      const piece = await unpack(await this.#pieces.after(after));
      if (piece.length === 0) break;
      for (const record of piece) if (record.seq > seq) found.push(record);
      after = piece.at(-1)!.seq;
    }
    return found.slice(0, limit);
  }

  /** The newest events whose text contains every one of these. */
  async eventsWith(texts: readonly string[], limit: number): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    for await (const piece of this.#fromNewest()) {
      for (const { seq, text } of piece.toReversed()) {
        if (found.length >= limit) return found.reverse();
        if (texts.every((wanted) => text.includes(wanted))) {
          found.push({ seq, event: JSON.parse(text) });
        }
      }
    }
    return found.reverse();
  }

  async *#fromNewest(): AsyncGenerator<StoredRecord[]> {
    for (let before = Number.MAX_SAFE_INTEGER;;) {
      const piece = await unpack(await this.#pieces.before(before));
      if (piece.length === 0) return;
      yield piece;
      before = piece.at(-1)!.seq;
    }
  }
}

async function unpack(row: PieceRow | undefined): Promise<StoredRecord[]> {
  if (row === undefined) return [];
  const first = Number(row.last) - Number(row.count) + 1;
  const texts = await unpackRecords(row.packed);
  return texts.map((text, index) => ({ seq: first + index, text }));
}
