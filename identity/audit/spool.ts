/**
 * A file of events that are on their way to the store, one JSON document on each line. What is
 * appended survives the end of the process; `sync` is the store's business.
 */
import { Buffer } from "node:buffer";
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { AuditEvent } from "./event.ts";

/** One writer, holding the file open. */
export class Spool {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens the file, made with mode 0600, and what an earlier process left in it. */
  static open(path: string): { spool: Spool; leftover: AuditEvent[] } {
    const fd = openSync(path, "a+", 0o600);
    return { spool: new Spool(fd), leftover: readEvents(fd) };
  }

  append(event: AuditEvent): void {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    let written = 0;
    while (written < line.length) written += writeSync(this.#fd, line, written);
  }

  /** Forgets everything: called once the store has it. */
  clear(): void {
    ftruncateSync(this.#fd, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function readEvents(fd: number): AuditEvent[] {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  for (let at = 0; at < bytes.length;) {
    const read = readSync(fd, bytes, at, bytes.length - at, at);
    if (read === 0) break;
    at += read;
  }
  return bytes.toString("utf8").split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as AuditEvent];
    } catch {
      // The line that a process was writing when it was killed: its event had no answer yet.
      return [];
    }
  });
}
