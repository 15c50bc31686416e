import { Buffer } from "node:buffer";

/** Longer lines are not read for what they say of progress. */
const MAX_READ_BYTES = 65_536;

interface Followed {
  readonly token: string;
  highest: number;
  /** The call is made again, and what was told of it once is told no more. */
  again: boolean;
}

/**
 * What was told of the progress of calls that may be made again. Progress only ever goes up (MCP,
 * *Progress*), and for the client a call that is made again is the same call.
 */
export class Progress {
  readonly #byToken = new Map<string, Followed>();
  readonly #byId = new Map<string, Followed>();

  /** Follows a call from now on; false if it cannot be read whether it is told of. */
  follow(id: string, line: Buffer): boolean {
    if (!line.includes("progressToken")) return true;
    if (this.#byId.has(id)) return true;
    const token = JSON.stringify(read(line)?._meta?.progressToken);
    if (token === undefined) return line.length <= MAX_READ_BYTES;
    const followed = { token, highest: -Infinity, again: false };
    this.#byId.set(id, followed);
    this.#byToken.set(token, followed);
    return true;
  }

  /** The call is made again. */
  repeat(id: string): void {
    const followed = this.#byId.get(id);
    if (followed) followed.again = true;
  }

  /** Whether a notice says what the client has heard before the call was made again. */
  isOld(line: Uint8Array): boolean {
    if (this.#byToken.size === 0) return false;
    const params = read(line);
    const followed = this.#byToken.get(JSON.stringify(params?.progressToken) ?? "");
    const progress = params?.progress;
    if (followed === undefined || typeof progress !== "number") return false;
    if (followed.again && progress <= followed.highest) return true;
    followed.highest = Math.max(followed.highest, progress);
    return false;
  }

  /** The call has its answer. */
  forget(id: string): void {
    const followed = this.#byId.get(id);
    if (followed === undefined) return;
    this.#byId.delete(id);
    this.#byToken.delete(followed.token);
  }
}

/** What params may say of progress; anybody may have written them. */
interface Told {
  readonly progress?: unknown;
  readonly progressToken?: unknown;
  readonly _meta?: { readonly progressToken?: unknown } | null;
}

/** The params of a message, as far as they can be read. */
function read(line: Uint8Array): Told | null | undefined {
  if (line.length > MAX_READ_BYTES) return undefined;
  try {
    return JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString()).params;
  } catch {
    return undefined;
  }
}
