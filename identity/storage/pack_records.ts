/**
 * Audit records as stores keep them: many in one compressed piece, since records are much alike and
 * a row for each would cost more than the record. Compression is done beside the loop.
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import type { PackedRecords } from "./store.ts";

/** A record and its number in the chain of its writer. */
export interface NumberedRecord {
  readonly seq: number;
  readonly text: string;
}

/** Records, and characters of text, that one piece holds at most; one record may be longer. */
const MAX_RECORDS = 8192;
const MAX_LENGTH = 8 * 1024 * 1024;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Packs records of one writer, in their order; where a number is missing a new piece begins. */
export function packRecords(
  writer: string,
  records: readonly NumberedRecord[],
): Promise<PackedRecords[]> {
  return Promise.all(
    runs(records).map(async (run) => ({
      writer,
      first: run[0]!.seq,
      count: run.length,
      bytes: await compress(Buffer.from(run.map(({ text }) => text).join("\n")), FAST),
    })),
  );
}

/** The texts of a piece. */
export async function unpackRecords(bytes: Uint8Array): Promise<string[]> {
  return (await decompress(bytes)).toString("utf8").split("\n");
}

function runs(records: readonly NumberedRecord[]): NumberedRecord[][] {
  const found: NumberedRecord[][] = [];
  let run: NumberedRecord[] = [];
  let length = 0;
  for (const record of records) {
    const follows = record.seq === (run.at(-1)?.seq ?? NaN) + 1;
    const fits = run.length < MAX_RECORDS && length + record.text.length <= MAX_LENGTH;
    if (!follows || !fits) {
      found.push(run = []);
      length = 0;
    }
    run.push(record);
    length += record.text.length;
  }
  return found;
}

/** Twice as fast as the default, and no larger for records. */
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
