/**
 * Trait templates: `{{internal.x}}`, `{{external["x"]}}`, `{{email.local(…)}}` and
 * `{{regexp.replace(…, "re", "repl")}}`, one in a string, with plain text around it.
 */
import { localPart } from "./_email.ts";
import { nearest } from "./_nearest.ts";
import { readString } from "./_string_literal.ts";
import { regexpReplace } from "./pattern/mod.ts";
import type { Traits } from "./role.ts";

export type Template =
  | { readonly kind: "literal"; readonly text: string }
  | {
    readonly kind: "template";
    readonly text: string;
    readonly prefix: string;
    readonly suffix: string;
    readonly source: TraitSource;
  };

type TraitSource =
  | { readonly kind: "trait"; readonly name: string }
  | { readonly kind: "email.local"; readonly of: TraitSource }
  | {
    readonly kind: "regexp.replace";
    readonly of: TraitSource;
    readonly replace: (text: string) => string | undefined;
  };

export type TemplateResult =
  | { readonly ok: true; readonly template: Template }
  | {
    readonly ok: false;
    readonly message: string;
    readonly offset: number;
    readonly hint?: string;
  };

/** The traits that `internal` may name; `external` may name any. */
const INTERNAL_TRAITS: ReadonlySet<string> = new Set([
  "logins",
  "windows_logins",
  "kubernetes_groups",
  "kubernetes_users",
  "db_names",
  "db_users",
  "db_roles",
  "aws_role_arns",
  "azure_identities",
  "gcp_service_accounts",
  "jwt",
  "github_orgs",
  "mcp_tools",
]);

const NESTING_LIMIT = 16;

/**
 * Reads a string of a role: as it stands, or with one template in it. `internal` are more traits of
 * that namespace, for templates that are not in a role.
 */
export function parseTemplate(text: string, internal: readonly string[] = []): TemplateResult {
  const open = text.indexOf("{{");
  const close = text.indexOf("}}");
  if (open === -1 && close === -1) return { ok: true, template: { kind: "literal", text } };
  if (open === -1 || close < open) {
    return { ok: false, message: 'A "}}" without its "{{"', offset: Math.max(close, 0) };
  }
  if (close === -1) return { ok: false, message: 'A "{{" without its "}}"', offset: open };
  const prefix = text.slice(0, open);
  const suffix = text.slice(close + 2);
  const stray = firstBrace(prefix, 0) ?? firstBrace(text.slice(open + 2, close), open + 2) ??
    firstBrace(suffix, close + 2);
  if (stray !== undefined) {
    return {
      ok: false,
      message: "A string with a template may have no other braces",
      offset: stray,
      hint: "one template in each string; split it into several entries",
    };
  }
  const parser = new TemplateParser(text, open + 2, close, internal);
  const source = parser.parse();
  if (!source) return { ok: false, ...parser.failure };
  return {
    ok: true,
    template: {
      kind: "template",
      text,
      prefix: prefix.trimStart(),
      suffix: suffix.trimEnd(),
      source,
    },
  };
}

/**
 * What a template stands for: every value, without empty ones. No values means that the trait is
 * missing, and the entry with it. An address that is none is `invalid`.
 */
export function expandTemplate(
  template: Template,
  traits: Traits,
): { readonly values: readonly string[]; readonly invalid?: string } {
  if (template.kind === "literal") return { values: [template.text] };
  const { prefix, suffix } = template;
  const found = traitValues(template.source, traits);
  if (typeof found === "string") return { values: [], invalid: found };
  return { values: found.filter((v) => v !== "").map((v) => prefix + v + suffix) };
}

/** The values of a trait expression, or a sentence about the value that is no address. */
function traitValues(source: TraitSource, traits: Traits): readonly string[] | string {
  switch (source.kind) {
    case "trait":
      return Object.hasOwn(traits, source.name) ? traits[source.name] ?? [] : [];
    case "email.local": {
      const values = traitValues(source.of, traits);
      if (typeof values === "string") return values;
      const locals: string[] = [];
      for (const value of values) {
        const local = localPart(value);
        if (local === undefined) return `email.local: ${JSON.stringify(value)} is no address`;
        locals.push(local);
      }
      return locals;
    }
    case "regexp.replace": {
      const values = traitValues(source.of, traits);
      if (typeof values === "string") return values;
      return values.map(source.replace).filter((value) => value !== undefined);
    }
  }
}

function firstBrace(text: string, base: number): number | undefined {
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "{" || text[i] === "}") return base + i;
  }
  return undefined;
}

class TemplateParser {
  failure: { message: string; offset: number; hint?: string } = { message: "", offset: 0 };
  #at: number;

  constructor(
    private readonly text: string,
    start: number,
    private readonly end: number,
    private readonly internal: readonly string[],
  ) {
    this.#at = start;
  }

  parse(): TraitSource | undefined {
    const source = this.#source(0);
    if (!source) return undefined;
    this.#space();
    return this.#at === this.end ? source : this.#fail("Unexpected text in the template");
  }

  #source(depth: number): TraitSource | undefined {
    if (depth > NESTING_LIMIT) return this.#fail("The template is nested too deeply");
    this.#space();
    const start = this.#at;
    const name = this.#word();
    if (name === "internal" || name === "external") return this.#trait(name, start);
    if (!this.#take(".")) {
      return this.#fail(
        name === "" ? "The template is empty" : `"${name}" is not a trait`,
        start,
        "write {{internal.name}}, {{external.name}} or a function of them",
      );
    }
    const full = `${name}.${this.#word()}`;
    if (full === "email.local") return this.#emailLocal(depth);
    if (full === "regexp.replace") return this.#regexpReplace(depth);
    const meant = nearest(full, ["email.local", "regexp.replace", "internal.", "external."]);
    return this.#fail(
      `"${full}" is not known in templates`,
      start,
      meant === undefined ? undefined : `did you mean ${meant}?`,
    );
  }

  #trait(namespace: "internal" | "external", start: number): TraitSource | undefined {
    let name: string | undefined;
    if (this.#take(".")) name = this.#word();
    else if (this.#take("[")) {
      name = this.#string();
      if (name === undefined) return undefined;
      if (!this.#take("]")) return this.#fail('Expected "]"');
    }
    if (name === undefined || name === "") {
      return this.#fail(`"${namespace}" needs the name of a trait`, start);
    }
    if (namespace === "internal" && !INTERNAL_TRAITS.has(name) && !this.internal.includes(name)) {
      const meant = nearest(name, [...INTERNAL_TRAITS, ...this.internal]);
      return this.#fail(
        `"internal.${name}" does not exist`,
        start,
        meant === undefined ? `traits of your own are external.${name}` : `did you mean ${meant}?`,
      );
    }
    return { kind: "trait", name };
  }

  #emailLocal(depth: number): TraitSource | undefined {
    if (!this.#take("(")) return this.#fail('Expected "("');
    const of = this.#source(depth + 1);
    if (!of) return undefined;
    return this.#take(")") ? { kind: "email.local", of } : this.#fail('Expected ")"');
  }

  #regexpReplace(depth: number): TraitSource | undefined {
    if (!this.#take("(")) return this.#fail('Expected "("');
    const of = this.#source(depth + 1);
    if (!of) return undefined;
    if (!this.#take(",")) return this.#fail('Expected ","');
    this.#space();
    const patternAt = this.#at;
    const pattern = this.#string();
    if (pattern === undefined) return undefined;
    if (!this.#take(",")) return this.#fail('Expected ","');
    const replacement = this.#string();
    if (replacement === undefined) return undefined;
    if (!this.#take(")")) return this.#fail('Expected ")"');
    const compiled = regexpReplace(pattern, replacement);
    if (!compiled.ok) return this.#fail(compiled.message, patternAt + 1 + compiled.offset);
    return { kind: "regexp.replace", of, replace: compiled.replace };
  }

  #string(): string | undefined {
    this.#space();
    const literal = readString(this.text, this.#at, this.end);
    if (!literal.ok) return this.#fail(literal.message, literal.offset);
    this.#at = literal.end;
    return literal.value;
  }

  #word(): string {
    const start = this.#at;
    while (this.#at < this.end && isWordCode(this.text.charCodeAt(this.#at))) this.#at++;
    return this.text.slice(start, this.#at);
  }

  #take(symbol: string): boolean {
    this.#space();
    if (this.text[this.#at] !== symbol || this.#at >= this.end) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (this.#at < this.end && " \t\r\n".includes(this.text[this.#at] ?? "x")) this.#at++;
  }

  #fail(message: string, offset = this.#at, hint?: string): undefined {
    this.failure = hint === undefined ? { message, offset } : { message, offset, hint };
    return undefined;
  }
}

/** ASCII letters, digits and underscore. */
export function isWordCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) ||
    code === 95;
}
