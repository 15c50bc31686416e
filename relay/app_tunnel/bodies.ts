import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { Gather } from "../wire/gather.ts";
import { MAX_BODY_BYTES, MAX_HELD_BYTES } from "./limits.ts";

export interface Body {
  readonly bytes: Uint8Array;
  /** It has been passed on, or dropped. */
  release(): void;
}

/** Reads the bodies of requests; what all of them hold in memory together is bounded. */
export class Bodies {
  #held = 0;

  /** The whole body, or the HTTP status that its sender gets; then the rest of it is not read. */
  async read(request: IncomingMessage): Promise<Body | 413 | 503> {
    const pieces = new Gather();
    const release = () => {
      this.#held -= pieces.length;
    };
    const refusal = await new Promise<413 | 503 | undefined>((resolve, reject) => {
      request.on("data", (chunk: Buffer) => {
        const status = pieces.length + chunk.length > MAX_BODY_BYTES
          ? 413
          : this.#held + chunk.length > MAX_HELD_BYTES
          ? 503
          : undefined;
        if (status !== undefined) {
          request.pause();
          return resolve(status);
        }
        this.#held += chunk.length;
        pieces.push(chunk);
      });
      request.on("end", () => resolve(undefined));
      request.on("error", reject);
      // Cut off in the middle; not every runtime says so by an error.
      request.on("close", () => reject(new Error("the request was cut off")));
    }).catch((error: unknown) => {
      release();
      throw error;
    });
    if (refusal === undefined) return { bytes: pieces.bytes, release };
    release();
    return refusal;
  }
}
