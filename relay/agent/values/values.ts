/**
 * Values that the configuration names and does not hold: secrets for servers. They are looked up
 * here, on the agent's host, when they are needed, and kept nowhere but in memory.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import type { Clock, ValueSource } from "../../../identity/mod.ts";
import { RelayError } from "../../error.ts";
import { MAX_VALUE_BYTES, type RunCommand, runCommand } from "./run_command.ts";

/** A command that failed is not tried again at once by everyone who waits for it. */
const FAILED_MS = 1_000;

/** Commands whose output is kept; configurations have a handful. */
const MAX_COMMANDS = 1_000;

interface Printed {
  readonly text: Promise<string>;
  /** On the monotonic clock. */
  until: number;
}

export class Values {
  readonly #clock: Clock;
  readonly #run: RunCommand;
  readonly #printed = new Map<string, Printed>();

  constructor(clock: Clock, run: RunCommand = runCommand) {
    this.#clock = clock;
    this.#run = run;
  }

  /** The value of now; rejects with `VALUE_UNAVAILABLE`, and never with a part of the value. */
  async read(source: ValueSource): Promise<string> {
    switch (source.kind) {
      case "value":
        return source.value;
      case "env":
        return variable(source.name);
      case "file":
        // Read anew each time, so that a changed file needs no watching.
        return withoutLineEnd(await readSmallFile(source.path));
      case "command":
        return withoutLineEnd(await this.#output(source));
    }
  }

  #output({ command, periodMs }: ValueSource & { kind: "command" }): Promise<string> {
    const key = JSON.stringify(command);
    const now = this.#clock.monotonic();
    const known = this.#printed.get(key);
    if (known && now < known.until) return known.text;
    const printed: Printed = { text: this.#run(command), until: now + periodMs };
    printed.text.catch(() => {
      printed.until = Math.min(printed.until, this.#clock.monotonic() + FAILED_MS);
    });
    this.#printed.delete(key);
    this.#printed.set(key, printed);
    const [oldest] = this.#printed.keys();
    if (this.#printed.size > MAX_COMMANDS && oldest !== undefined) this.#printed.delete(oldest);
    return printed.text;
  }
}

function variable(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== "") return value;
  throw new RelayError("VALUE_UNAVAILABLE", `The agent has no environment variable "${name}"`);
}

async function readSmallFile(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    // A pipe that nobody writes to would be waited for.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if (!(await file.stat()).isFile()) throw Object.assign(new Error(), { code: "not a file" });
    // One more than may be, to see that there is more.
    const room = new Uint8Array(MAX_VALUE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < room.length; length += read) {
      read = (await file.read(room, length, room.length - length)).bytesRead;
    }
    bytes = room.subarray(0, length);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new RelayError("VALUE_UNAVAILABLE", `Cannot read the file ${path}: ${code}`, { cause });
  }
  if (bytes.length <= MAX_VALUE_BYTES) return new TextDecoder().decode(bytes);
  throw new RelayError(
    "LIMIT_EXCEEDED",
    `The file ${path} has more than ${MAX_VALUE_BYTES} bytes, too many for a value`,
  );
}

/** Files and commands end their last line; the value does not. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}
