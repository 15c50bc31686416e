import { comparable, isOperator, show, typeName } from "./_expression_types.ts";
import { FUNCTIONS } from "./_functions.ts";
import { nearest } from "./_nearest.ts";
import type { Token } from "./_tokens.ts";
import type { ExpressionNode, ValueType } from "./expression.ts";
import { compilePattern, regexpReplace } from "./pattern/mod.ts";

const DEPTH_LIMIT = 64;

/** Reads the tokens of one expression, top down; `failure` says why there is no result. */
export class ExpressionParser {
  failure: { message: string; offset: number; hint?: string } = { message: "", offset: 0 };
  usesArguments = false;
  #next = 0;
  #depth = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly scope: "labels" | "arguments",
  ) {}

  parse(): ExpressionNode | undefined {
    const root = this.#or();
    if (!root) return undefined;
    if (this.#token.kind !== "end") return this.#fail(`Unexpected ${show(this.#token)}`);
    return this.#expect(root, "boolean", "The expression must be true or false");
  }

  get #token(): Token {
    return this.tokens[this.#next] ?? { kind: "end", text: "", offset: 0 };
  }

  #or(): ExpressionNode | undefined {
    return this.#chain("||", "or", () => this.#and());
  }

  #and(): ExpressionNode | undefined {
    return this.#chain("&&", "and", () => this.#comparison());
  }

  #chain(
    symbol: string,
    kind: "and" | "or",
    part: () => ExpressionNode | undefined,
  ): ExpressionNode | undefined {
    let left = part();
    // A long chain leans left and is as deep as it is long.
    for (let length = 0; left && this.#take(symbol); length++) {
      if (length >= 256) return this.#fail(`Too many ${symbol} in a row`);
      const right = part();
      if (!right) return undefined;
      const wants = `${symbol} joins conditions`;
      if (!this.#expect(left, "boolean", wants) || !this.#expect(right, "boolean", wants)) {
        return undefined;
      }
      left = { kind, left, right, offset: left.offset, type: "boolean" };
    }
    return left;
  }

  #comparison(): ExpressionNode | undefined {
    const left = this.#unary();
    if (!left) return undefined;
    const { text, offset, kind } = this.#token;
    if (kind !== "symbol" || !isOperator(text)) return left;
    this.#next++;
    const right = this.#unary();
    if (!right) return undefined;
    if (!comparable(text, left.type, right.type)) {
      const odd = left.type === "string" || left.type === "any" ? right.type : left.type;
      return this.#fail(
        `Operator ${text} does not compare ${typeName(left.type)} with ${typeName(right.type)}`,
        offset,
        odd === "list" ? "use contains(list, item)" : undefined,
      );
    }
    return { kind: "compare", operator: text, left, right, offset: left.offset, type: "boolean" };
  }

  #unary(): ExpressionNode | undefined {
    if (++this.#depth > DEPTH_LIMIT) return this.#fail("The expression is nested too deeply");
    const node = this.#not();
    this.#depth--;
    return node;
  }

  #not(): ExpressionNode | undefined {
    const { offset } = this.#token;
    if (!this.#take("!")) return this.#primary();
    const of = this.#unary();
    if (!of || !this.#expect(of, "boolean", "! negates a condition")) return undefined;
    return { kind: "not", of, offset, type: "boolean" };
  }

  #primary(): ExpressionNode | undefined {
    const token = this.#token;
    const { offset } = token;
    if (this.#take("(")) {
      const inner = this.#or();
      if (!inner) return undefined;
      return this.#take(")") ? inner : this.#fail('Expected ")"');
    }
    this.#next++;
    switch (token.kind) {
      case "string":
        return { kind: "constant", value: token.text, offset, type: "string" };
      case "number":
        if (this.scope === "labels") {
          return this.#fail("Labels and traits are never numbers", offset);
        }
        if (Math.abs(Number(token.text)) > Number.MAX_SAFE_INTEGER) {
          return this.#fail("Numbers past 2^53 cannot be told apart", offset);
        }
        return { kind: "constant", value: Number(token.text), offset, type: "number" };
      case "word":
        if (token.text === "true" || token.text === "false") {
          return { kind: "constant", value: token.text === "true", offset, type: "boolean" };
        }
        return this.#name(token);
      default:
        return this.#fail(
          token.kind === "end" ? "The expression ends too early" : `Unexpected ${show(token)}`,
          offset,
        );
    }
  }

  /** A variable or a call: words joined by dots. */
  #name(first: Token): ExpressionNode | undefined {
    const { offset } = first;
    if (first.text === "labels") return this.#label(offset);
    if (first.text === "user") return this.#user(offset);
    if (first.text === "arguments" && this.scope === "arguments") return this.#argument(offset);
    let name = first.text;
    while (this.#take(".")) {
      if (this.#token.kind !== "word") return this.#fail(`Expected a name after "${name}."`);
      name += `.${this.#token.text}`;
      this.#next++;
    }
    if (this.#take("(")) return this.#call(name, offset);
    const meant = nearest(name, ["labels", "user.spec.traits", "user.metadata.name"]);
    return this.#fail(
      first.text === "arguments"
        ? "Only the condition of a tool may speak of arguments"
        : `"${name}" is not known`,
      offset,
      meant === undefined ? "text stands in double quotes" : `did you mean ${meant}?`,
    );
  }

  #label(offset: number): ExpressionNode | undefined {
    const key = this.#member();
    if (key === undefined) {
      return this.#fail('"labels" is not a value by itself', offset, 'write labels["key"]');
    }
    return typeof key === "string"
      ? { kind: "label", key, offset, type: "string" }
      : this.#fail("The key of a label is text", offset);
  }

  #user(offset: number): ExpressionNode | undefined {
    const words = [this.#member(), this.#member()];
    if (words[0] === "metadata" && words[1] === "name") {
      return { kind: "user_name", offset, type: "string" };
    }
    const name = words[0] === "spec" && words[1] === "traits" ? this.#member() : undefined;
    return typeof name === "string" ? { kind: "trait", name, offset, type: "list" } : this.#fail(
      "Of a user there is the name and traits",
      offset,
      'write user.spec.traits["key"] or user.metadata.name',
    );
  }

  #argument(offset: number): ExpressionNode | undefined {
    const path: (string | number)[] = [];
    for (let step = this.#member(); step !== undefined; step = this.#member()) {
      if (path.push(step) > DEPTH_LIMIT) return this.#fail("The path is too long", offset);
    }
    if (path.length === 0) {
      return this.#fail('"arguments" is not a value by itself', offset, "write arguments.name");
    }
    this.usesArguments = true;
    return { kind: "argument", path, offset, type: "any" };
  }

  /** `.word`, `["text"]` or `[0]`, if one follows. */
  #member(): string | number | undefined {
    const after = this.tokens[this.#next + 1];
    if (this.#token.text === "." && this.#token.kind === "symbol" && after?.kind === "word") {
      this.#next += 2;
      return after.text;
    }
    const closes = this.tokens[this.#next + 2];
    const indexed = this.#token.kind === "symbol" && this.#token.text === "[" &&
      closes?.kind === "symbol" && closes.text === "]";
    if (!indexed || after === undefined) return undefined;
    const index = Number(after.text);
    if (after.kind !== "string" && !(after.kind === "number" && Number.isSafeInteger(index))) {
      return undefined;
    }
    this.#next += 3;
    return after.kind === "string" ? after.text : index;
  }

  #call(name: string, offset: number): ExpressionNode | undefined {
    const known = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (!known) {
      const meant = nearest(name, Object.keys(FUNCTIONS));
      return this.#fail(
        `There is no function "${name}"`,
        offset,
        meant === undefined
          ? `known are ${Object.keys(FUNCTIONS).join(", ")}`
          : `did you mean ${meant}?`,
      );
    }
    const args: ExpressionNode[] = [];
    while (!this.#take(")")) {
      if (args.length > 0 && !this.#take(",")) return this.#fail('Expected "," or ")"');
      const arg = this.#or();
      if (!arg) return undefined;
      const wanted = known.takes[Math.min(args.length, known.takes.length - 1)] ?? "string";
      if (!this.#expect(arg, wanted, `${name} takes ${known.signature}`)) return undefined;
      args.push(arg);
    }
    const enough = known.variadic ? args.length > 0 : args.length === known.takes.length;
    if (!enough) return this.#fail(`${name} takes ${known.signature}`, offset);
    return this.#constantsCompile(name, args)
      ? { kind: "call", name, args, offset, type: known.gives }
      : undefined;
  }

  /** Patterns that are written out are judged now; others when their labels and traits are known. */
  #constantsCompile(name: string, args: readonly ExpressionNode[]): boolean {
    const at = name === "labels_matching" ? 0 : 1;
    const pattern = args[at];
    if (!FUNCTIONS[name]?.pattern || pattern === undefined) return true;
    if (this.#dependsOnArguments(pattern) || (args[2] && this.#dependsOnArguments(args[2]))) {
      this.#fail("A pattern may not come from the call's arguments", pattern.offset);
      return false;
    }
    if (pattern.kind !== "constant") return true;
    const source = String(pattern.value);
    const replacement = args[2]?.kind === "constant" ? String(args[2].value) : "";
    const compiled = name === "regexp.replace"
      ? regexpReplace(source, replacement)
      : compilePattern(source);
    if (!compiled.ok) this.#fail(compiled.message, pattern.offset + 1 + compiled.offset);
    return compiled.ok;
  }

  #dependsOnArguments(node: ExpressionNode): boolean {
    switch (node.kind) {
      case "argument":
        return true;
      case "not":
        return this.#dependsOnArguments(node.of);
      case "and":
      case "or":
      case "compare":
        return this.#dependsOnArguments(node.left) || this.#dependsOnArguments(node.right);
      case "call":
        return node.args.some((arg) => this.#dependsOnArguments(arg));
      default:
        return false;
    }
  }

  #expect(node: ExpressionNode, wanted: ValueType, why: string): ExpressionNode | undefined {
    const fits = node.type === wanted || node.type === "any" ||
      // An item is any one value.
      (wanted === "any" && node.type !== "list") ||
      // A string stands for a list of one item.
      (wanted === "list" && node.type === "string");
    return fits ? node : this.#fail(`${why}, and this is ${typeName(node.type)}`, node.offset);
  }

  #take(symbol: string): boolean {
    if (this.#token.kind !== "symbol" || this.#token.text !== symbol) return false;
    this.#next++;
    return true;
  }

  /** Keeps the first failure: later ones only follow from it. */
  #fail(message: string, offset = this.#token.offset, hint?: string): undefined {
    if (this.failure.message === "") {
      this.failure = hint === undefined ? { message, offset } : { message, offset, hint };
    }
    return undefined;
  }
}
