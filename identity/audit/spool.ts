/**
 * Two files beside each other: the spool, with the records that are on their way to the store, one
 * on each line, and the head up to which everything has arrived there. What is written survives the
 * end of the process; after `sync` it survives a power cut.
 */
import { Buffer } from "node:buffer";
import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { IdentityError } from "../error.ts";
import type { NumberedRecord } from "../storage/mod.ts";
import { linkOf, type SignedHead } from "./chain.ts";

const LINE_END = 0x0a;

/** What may wait for the store unless the configuration says otherwise: 256 MiB. */
export const DEFAULT_SPOOL_BYTES = 256 * 1024 * 1024;

/** One writer, holding the file open. */
export class Spool {
  readonly #fd: number;
  readonly #headPath: string;
  readonly #limit: number;
  #size: number;

  private constructor(fd: number, headPath: string, limit: number) {
    this.#fd = fd;
    this.#headPath = headPath;
    this.#limit = limit;
    this.#size = fstatSync(fd).size;
  }

  /**
   * Opens the spool at a path, made with mode 0600, and what an earlier process left in it. It
   * takes `limit` bytes and no more.
   */
  static open(
    path: string,
    limit = DEFAULT_SPOOL_BYTES,
  ): { readonly spool: Spool; readonly leftover: NumberedRecord[] } {
    const fd = openSync(path, "a+", 0o600);
    const bytes = readAll(fd);
    const whole = bytes.lastIndexOf(LINE_END) + 1;
    // The record that a process was writing when it was killed: its event had no answer yet, and
    // the next record must not begin on its line.
    if (whole < bytes.length) ftruncateSync(fd, whole);
    const spool = new Spool(fd, `${path}.head`, limit);
    return { spool, leftover: readRecords(bytes.subarray(0, whole)) };
  }

  /** Writes records whole, or throws and leaves the file as it was. */
  write(texts: readonly string[]): void {
    const bytes = Buffer.from(`${texts.join("\n")}\n`);
    if (this.#size + bytes.length > this.#limit) {
      const message = "The limit audit.spool_limit_mib is reached: the store takes nothing";
      throw new IdentityError("SPOOL_FULL", message, {
        hint: "See why the store is away, or raise audit.spool_limit_mib",
      });
    }
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch (cause) {
      // Half a record in front of the next ones would make them unreadable.
      if (fstatSync(this.#fd).size > this.#size) ftruncateSync(this.#fd, this.#size);
      const found = (cause as NodeJS.ErrnoException).code ?? "unknown error";
      throw new IdentityError("AUDIT_UNAVAILABLE", `The audit spool cannot be written: ${found}`, {
        hint: "See to the disk of the data directory",
        cause,
      });
    }
    this.#size += bytes.length;
  }

  /** Resolves once everything written so far is on the disk. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) =>
      fdatasync(this.#fd, (error) => error ? reject(error) : resolve())
    );
  }

  /** Forgets everything: called once the store has it. */
  clear(): void {
    ftruncateSync(this.#fd, 0);
    this.#size = 0;
  }

  /** The head that was kept last; nothing when there is none that can be read. */
  get head(): SignedHead | undefined {
    try {
      return JSON.parse(readFileSync(this.#headPath, "utf8")) as SignedHead;
    } catch {
      return undefined;
    }
  }

  keepHead(head: SignedHead): void {
    writeFileSync(`${this.#headPath}.new`, `${JSON.stringify(head)}\n`, { mode: 0o600 });
    renameSync(`${this.#headPath}.new`, this.#headPath);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  let at = 0;
  while (at < bytes.length) {
    const read = readSync(fd, bytes, at, bytes.length - at, at);
    if (read === 0) break;
    at += read;
  }
  return bytes.subarray(0, at);
}

function readRecords(bytes: Buffer): NumberedRecord[] {
  return bytes.toString("utf8").split("\n").flatMap((text) => {
    try {
      const link = linkOf(JSON.parse(text) as Record<string, unknown>);
      return link ? [{ seq: link.seq, text }] : [];
    } catch {
      // What a disk has spoilt; the numbers of the chain say what is missing.
      return [];
    }
  });
}
