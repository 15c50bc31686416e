import { Buffer } from "node:buffer";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * What a bridge must show to go on with a session. Each resume makes a new one; the one that was
 * shown stays good until the bridge has proved that the new one has reached it, since the answer
 * with the new one may be lost. Only digests are kept.
 */
export class SessionSecret {
  #current: Buffer;
  #shown: Buffer | undefined;
  /** Of the connection that counts: no attempt to resume that was made before it does. */
  #epoch = 0;
  #confirmed = false;

  private constructor(current: Buffer) {
    this.#current = current;
  }

  /** A first secret, and its text for the bridge. */
  static create(): { readonly secret: SessionSecret; readonly text: string } {
    const text = newText();
    return { secret: new SessionSecret(digest(text)), text };
  }

  /** The bridge has had some WELCOME. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Whether the attempt of this number, which showed this, is a later one of the same bridge. */
  accepts(text: string, epoch: number): boolean {
    return epoch > this.#epoch && this.#matches(text);
  }

  #matches(text: string): boolean {
    const shown = digest(text);
    // Both are always compared, each in constant time.
    const current = timingSafeEqual(shown, this.#current);
    const before = timingSafeEqual(shown, this.#shown ?? this.#current);
    return current || before;
  }

  /** The next secret, after an attempt that was accepted. */
  rotate(shown: string, epoch: number): string {
    const text = newText();
    this.#epoch = epoch;
    this.#shown = digest(shown);
    this.#current = digest(text);
    return text;
  }

  /** The bridge has the current one: no other is good any more. */
  confirm(): void {
    this.#confirmed = true;
    this.#shown = undefined;
  }
}

/** 256 bits. */
function newText(): string {
  return randomBytes(32).toString("base64url");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
