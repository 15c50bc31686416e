/**
 * JSON text as comparable text: white space gone, strings in one spelling, everything else as it
 * was written: the order and number of keys, each digit of each number. Written apart from the
 * scanner that it judges.
 */
export function canonicalJson(text: string, dropped: ReadonlySet<string> = new Set()): string {
  const reader = new Reader(text, dropped);
  const value = reader.value();
  reader.end();
  return value;
}

class Reader {
  #at = 0;

  constructor(readonly text: string, readonly dropped: ReadonlySet<string>) {}

  value(): string {
    this.#space();
    const first = this.text[this.#at];
    if (first === "{") return this.#members();
    if (first === "[") return this.#elements();
    if (first === '"') return JSON.stringify(this.#string());
    const literal = /[^\s,\]}]*/y;
    literal.lastIndex = this.#at;
    const lexeme = literal.exec(this.text)?.[0] ?? "";
    JSON.parse(lexeme);
    this.#at += lexeme.length;
    return lexeme;
  }

  end(): void {
    this.#space();
    if (this.#at !== this.text.length) throw new Error(`more at ${this.#at}: ${this.text}`);
  }

  #members(): string {
    const members = this.#list("{", "}", () => {
      this.#space();
      const key = this.#string();
      this.#take(":");
      const value = this.value();
      return this.dropped.has(key) ? [] : [`${JSON.stringify(key)}:${value}`];
    });
    return `{${members.join(",")}}`;
  }

  #elements(): string {
    return `[${this.#list("[", "]", () => [this.value()]).join(",")}]`;
  }

  #list(open: string, close: string, read: () => string[]): string[] {
    this.#take(open);
    if (this.#taken(close)) return [];
    const entries = read();
    while (!this.#taken(close)) {
      this.#take(",");
      entries.push(...read());
    }
    return entries;
  }

  #string(): string {
    const start = this.#at;
    if (this.text[start] !== '"') throw new Error(`no string at ${start}`);
    let end = start + 1;
    while (end < this.text.length && this.text[end] !== '"') end += this.text[end] === "\\" ? 2 : 1;
    this.#at = end + 1;
    const raw = this.text.slice(start, this.#at);
    return JSON.parse(raw);
  }

  #take(token: string): void {
    this.#space();
    if (this.text[this.#at] !== token) throw new Error(`no ${token} at ${this.#at}: ${this.text}`);
    this.#at++;
  }

  #taken(token: string): boolean {
    this.#space();
    if (this.text[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (" \t\r\n".includes(this.text[this.#at] ?? "x")) this.#at++;
  }
}
