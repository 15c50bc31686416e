/** Writes times; events of one millisecond share the text. */
export class Stamp {
  #millis = NaN;
  #text = "";

  of(time: Date): string {
    const millis = time.getTime();
    if (millis !== this.#millis) {
      this.#millis = millis;
      this.#text = time.toISOString();
    }
    return this.#text;
  }
}
