/**
 * `--query` of `tsh mcp ls` and `tsh mcp config`: the original's predicates over apps, such as
 * `labels["env"] == "dev" && hasPrefix(name, "db-")`. Whatever is wrong with a query is found
 * before it is asked of an app.
 */
import { IdentityError } from "../../identity/mod.ts";

/** What a query can ask of. */
export interface Queried {
  readonly name: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type AppQuery = (app: Queried) => boolean;

type Value<T> = (app: Queried) => T;
type Term =
  | { readonly type: "boolean"; readonly of: Value<boolean> }
  | { readonly type: "string"; readonly of: Value<string> }
  | { readonly type: "list"; readonly of: Value<readonly string[]> };

/** Queries are typed by people. */
const MAX_DEPTH = 100;
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z_][\w.]*)|(&&|\|\||==|!=|[!()[\],]))/y;

/** Reads a query; throws `BAD_REQUEST` with what is wrong with it. */
export function parseAppQuery(query: string): AppQuery {
  return new Parser(query).parse();
}

class Parser {
  readonly #query: string;
  readonly #tokens: string[] = [];
  #at = 0;
  #depth = 0;

  constructor(query: string) {
    this.#query = query;
    TOKEN.lastIndex = 0;
    while (query.slice(TOKEN.lastIndex).trim() !== "") {
      const { lastIndex } = TOKEN;
      const match = TOKEN.exec(query);
      if (match === null) this.#fail(`cannot read ${query.slice(lastIndex).trim().slice(0, 20)}`);
      this.#tokens.push(match![1] ?? match![2] ?? match![3]!);
    }
  }

  parse(): AppQuery {
    const term = this.#or();
    if (this.#at < this.#tokens.length) this.#fail(`"${this.#peek()}" is too much`);
    return this.#boolean(term);
  }

  #or(): Term {
    let left = this.#and();
    while (this.#take("||")) {
      const [a, b] = [this.#boolean(left), this.#boolean(this.#and())];
      left = { type: "boolean", of: (app) => a(app) || b(app) };
    }
    return left;
  }

  #and(): Term {
    let left = this.#compared();
    while (this.#take("&&")) {
      const [a, b] = [this.#boolean(left), this.#boolean(this.#compared())];
      left = { type: "boolean", of: (app) => a(app) && b(app) };
    }
    return left;
  }

  #compared(): Term {
    const left = this.#unary();
    const operator = this.#take("==") ?? this.#take("!=");
    if (operator === undefined) return left;
    const [a, b] = [this.#string(left), this.#string(this.#unary())];
    return { type: "boolean", of: (app) => (a(app) === b(app)) === (operator === "==") };
  }

  #unary(): Term {
    if (++this.#depth > MAX_DEPTH) this.#fail("it is nested too deeply");
    try {
      if (this.#take("!")) {
        const inner = this.#boolean(this.#unary());
        return { type: "boolean", of: (app) => !inner(app) };
      }
      if (!this.#take("(")) return this.#primary();
      const inner = this.#or();
      this.#expect(")");
      return inner;
    } finally {
      this.#depth--;
    }
  }

  #primary(): Term {
    const token = this.#next();
    if (token.startsWith('"')) {
      const text = this.#text(token);
      return { type: "string", of: () => text };
    }
    if (this.#take("(")) return this.#call(token, this.#arguments());
    switch (token) {
      case "name":
      case "resource.metadata.name":
        return { type: "string", of: ({ name }) => name };
      case "labels":
      case "resource.metadata.labels": {
        this.#expect("[");
        const key = this.#text(this.#next());
        this.#expect("]");
        return label(key);
      }
    }
    if (token.startsWith("labels.")) return label(token.slice("labels.".length));
    return this.#fail(`"${token}" is not known`);
  }

  #arguments(): Term[] {
    const found: Term[] = [];
    if (this.#take(")")) return found;
    do found.push(this.#or()); while (this.#take(","));
    this.#expect(")");
    return found;
  }

  #call(name: string, given: readonly Term[]): Term {
    const [first, second] = given;
    const two = () => {
      if (given.length !== 2) this.#fail(`${name}() takes two arguments`);
      return [this.#string(first!), this.#string(second!)] as const;
    };
    switch (name) {
      case "equals": {
        const [a, b] = two();
        return { type: "boolean", of: (app) => a(app) === b(app) };
      }
      case "hasPrefix": {
        const [text, prefix] = two();
        return { type: "boolean", of: (app) => text(app).startsWith(prefix(app)) };
      }
      case "split": {
        const [text, by] = two();
        return { type: "list", of: (app) => text(app).split(by(app)) };
      }
      case "contains": {
        if (first?.type !== "list" || given.length !== 2) {
          return this.#fail("contains() takes a list, such as split() makes, and a string");
        }
        const [list, item] = [first.of, this.#string(second!)];
        return { type: "boolean", of: (app) => list(app).includes(item(app)) };
      }
      case "exists": {
        if (given.length !== 1) this.#fail("exists() takes one argument");
        const value = this.#string(first!);
        return { type: "boolean", of: (app) => value(app) !== "" };
      }
      case "search": {
        const words = given.map((word) => this.#string(word));
        return { type: "boolean", of: (app) => words.every((word) => hasWord(app, word(app))) };
      }
    }
    return this.#fail(`there is no function ${name}()`);
  }

  #boolean(term: Term): Value<boolean> {
    return term.type === "boolean" ? term.of : this.#fail(`a ${term.type} is no condition`);
  }

  #string(term: Term): Value<string> {
    return term.type === "string" ? term.of : this.#fail(`a ${term.type} is no string`);
  }

  #text(token: string): string {
    try {
      if (token.startsWith('"')) return JSON.parse(token);
    } catch {
      // Said below.
    }
    return this.#fail(`${token} is no string`);
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? this.#fail("it ends too early");
  }

  #take(token: string): string | undefined {
    if (this.#peek() !== token) return undefined;
    this.#at++;
    return token;
  }

  #expect(token: string): void {
    const found = this.#peek();
    if (this.#take(token) === undefined) {
      this.#fail(`"${token}" is missing${found === undefined ? "" : ` before "${found}"`}`);
    }
  }

  #fail(found: string): never {
    throw new IdentityError("BAD_REQUEST", `Cannot use the query ${this.#query}: ${found}`, {
      hint: 'Write for example: labels["env"] == "dev" && hasPrefix(name, "db-")',
    });
  }
}

function label(key: string): Term {
  return {
    type: "string",
    of: ({ labels }) => Object.hasOwn(labels, key) ? labels[key]! : "",
  };
}

/** Whether a word is in the name, description or labels, in whatever case. */
export function hasWord({ name, description, labels }: Queried, word: string): boolean {
  const texts = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [name, description, ...texts].join("\n").toLowerCase().includes(word.toLowerCase());
}
