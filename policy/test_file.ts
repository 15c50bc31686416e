/**
 * The file of `policy test`: roles, and cases that say what they must answer. Reading it finds
 * every mistake in it; roles that do not parse are no mistake here, since a case may expect that.
 */
import { asMap, asText, asTexts, type Field, Findings, readFields } from "./_fields.ts";
import type { What } from "./ask.ts";
import type { AppFacts } from "./labels.ts";
import { parseRoles, readRole } from "./parse_role.ts";
import type { Position, Problem } from "./problem.ts";
import type { Role, Subject, Traits } from "./role.ts";
import { parseSource, type SourceMap, type SourceNode, toPlain } from "./source.ts";

export type Expectation = "allow" | "deny" | "error";

export interface TestCase {
  readonly name: string;
  /** Where the promise comes from, as the file says. */
  readonly source: string | undefined;
  readonly at: Position;
  readonly scope: RoleScope;
  readonly subject: Subject;
  /** Names of roles in scope; all of them when absent. */
  readonly roles: readonly string[] | undefined;
  readonly app: AppFacts;
  readonly what: What;
  readonly expect: Expectation;
  /** The role, rule, path or code that must have decided. */
  readonly because: string | undefined;
}

/** Roles, and what is wrong with the others. */
export interface RoleScope {
  readonly roles: readonly Role[];
  readonly problems: readonly Problem[];
}

export interface TestFile {
  readonly cases: readonly TestCase[];
  readonly scopes: readonly RoleScope[];
  readonly problems: readonly Problem[];
}

/**
 * How to get the text of a role file that the test file `from` names by its path, and the name that
 * the file has in messages; throws when there is none.
 */
export type LoadRole = (path: string, from: string) => RoleText;

export interface RoleText {
  readonly file: string;
  readonly text: string;
}

const FILE_KEYS = ["source", "roles", "cases"];
const CASE_KEYS = [
  "name",
  "roles",
  "principal",
  "app",
  "tool",
  "arguments",
  "definition",
  "resource",
  "prompt",
  "expect",
  "because",
];
const EXPECTATIONS: readonly Expectation[] = ["allow", "deny", "error"];

/** Reads one test file. */
export function parseTestFile(text: string, file: string, load: LoadRole): TestFile {
  const { documents, problems } = parseSource(text, file);
  const findings = new Findings();
  findings.problems.push(...problems);
  const reader = new TestReader(file, load, findings);
  if (documents.length === 0 && problems.length === 0) {
    findings.problem({ file, line: 1, column: 1 }, "There is no test in the file");
  }
  const cases = documents.flatMap((document) => reader.document(document));
  return { cases, scopes: reader.scopes, problems: findings.problems };
}

class TestReader {
  readonly scopes: RoleScope[] = [];

  constructor(
    private readonly file: string,
    private readonly load: LoadRole,
    private readonly findings: Findings,
  ) {}

  document(node: SourceNode): TestCase[] {
    const map = asMap(node, "A test file", this.findings);
    if (!map) return [];
    const fields = readFields(map, "", FILE_KEYS, this.findings);
    const scope = this.#scope(fields.get("roles"));
    const stated = fields.get("source");
    const source = stated && asText(stated.value, "source", this.findings)?.value;
    const cases = fields.get("cases")?.value;
    if (cases?.kind !== "list") {
      this.findings.problem(cases?.at ?? map.at, "cases must be a list");
      return [];
    }
    return cases.items.map((item, index) => this.#case(item, `cases[${index}]`, scope, source))
      .filter((testCase) => testCase !== undefined);
  }

  #scope(field: Field | undefined): RoleScope {
    const roles: Role[] = [];
    const problems: Problem[] = [];
    const nodes = field?.value.kind === "list" ? field.value.items : field ? [field.value] : [];
    for (const node of nodes) {
      const parsed = node.kind === "map" ? inline(node) : this.#loaded(node);
      roles.push(...parsed.roles);
      problems.push(...parsed.problems);
    }
    const scope = { roles, problems };
    this.scopes.push(scope);
    return scope;
  }

  #loaded(node: SourceNode): RoleScope {
    const path = asText(node, "A role", this.findings)?.value;
    if (path === undefined) return { roles: [], problems: [] };
    let loaded: RoleText;
    try {
      loaded = this.load(path, this.file);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.findings.problem(node.at, `Cannot read role file ${path}: ${reason}`);
      return { roles: [], problems: [] };
    }
    return parseRoles(loaded.text, loaded.file);
  }

  #case(
    node: SourceNode,
    path: string,
    fileScope: RoleScope,
    source: string | undefined,
  ): TestCase | undefined {
    const { findings } = this;
    const map = asMap(node, path, findings);
    if (!map) return undefined;
    const before = findings.problems.length;
    const fields = readFields(map, path, CASE_KEYS, findings);
    const text = (key: string) => {
      const field = fields.get(key);
      return field && asText(field.value, `${path}.${key}`, findings)?.value;
    };
    const expected = text("expect");
    const expect = EXPECTATIONS.find((known) => known === expected);
    if (!expect) {
      const at = fields.get("expect")?.value.at ?? map.at;
      findings.problem(at, `${path}.expect must be allow, deny or error`);
    }
    const { subject, roles } = this.#principal(fields.get("principal"), `${path}.principal`);
    const app = this.#app(fields.get("app"), `${path}.app`, map);
    const what = this.#what(fields, path, text);
    const because = text("because");
    const name = text("name") ?? `${path} (${this.file}:${map.at.line})`;
    const scope = fields.has("roles") ? this.#scope(fields.get("roles")) : fileScope;
    if (!expect || findings.problems.length > before) return undefined;
    return { name, source, at: map.at, scope, subject, roles, app, what, expect, because };
  }

  #principal(
    field: Field | undefined,
    path: string,
  ): { subject: Subject; roles: readonly string[] | undefined } {
    const map = field && asMap(field.value, path, this.findings);
    if (!map) return { subject: { name: "anyone", traits: {} }, roles: undefined };
    const fields = readFields(map, path, ["name", "roles", "traits"], this.findings);
    const named = fields.get("name");
    const name = named && asText(named.value, `${path}.name`, this.findings)?.value;
    const roles = fields.get("roles");
    const traits = fields.get("traits");
    return {
      subject: {
        name: name ?? "anyone",
        traits: traits ? this.#traits(traits, `${path}.traits`) : {},
      },
      roles: roles &&
        asTexts(roles.value, `${path}.roles`, this.findings, false).map((t) => t.node.value),
    };
  }

  #traits(field: Field, path: string): Traits {
    const traits: Record<string, readonly string[]> = Object.create(null);
    const map = asMap(field.value, path, this.findings);
    for (const { key, value } of map?.entries ?? []) {
      traits[key] = asTexts(value, `${path}.${key}`, this.findings, true).map((t) => t.node.value);
    }
    return traits;
  }

  #app(field: Field | undefined, path: string, parent: SourceMap): AppFacts {
    const map = field && asMap(field.value, path, this.findings);
    if (!map) {
      if (!field) this.findings.problem(parent.at, `${path} is missing`);
      return { name: "", labels: {} };
    }
    const fields = readFields(map, path, ["name", "labels"], this.findings);
    const named = fields.get("name");
    const name = named && asText(named.value, `${path}.name`, this.findings)?.value;
    const labels: Record<string, string> = Object.create(null);
    const labelField = fields.get("labels");
    const labelMap = labelField && asMap(labelField.value, `${path}.labels`, this.findings);
    for (const { key, value } of labelMap?.entries ?? []) {
      labels[key] = asText(value, `${path}.labels.${key}`, this.findings)?.value ?? "";
    }
    return { name: name ?? "", labels };
  }

  #what(
    fields: ReadonlyMap<string, Field>,
    path: string,
    text: (key: string) => string | undefined,
  ): What {
    const kinds = ["tool", "resource", "prompt"].filter((key) => fields.has(key));
    const extra = kinds[1] && fields.get(kinds[1]);
    if (extra) this.findings.problem(extra.keyAt, `${path} asks for more than one thing`);
    for (const key of ["arguments", "definition"]) {
      const field = fields.get(key);
      if (field && !fields.has("tool")) {
        this.findings.problem(field.keyAt, `${path}.${key} belongs to a tool`);
      }
    }
    const [name, uri, prompt] = [text("tool"), text("resource"), text("prompt")];
    if (name !== undefined) {
      const args = fields.get("arguments");
      const definition = text("definition");
      return {
        kind: "tool",
        name,
        ...(args ? { arguments: toPlain(args.value) } : {}),
        ...(definition === undefined ? {} : { definition }),
      };
    }
    if (uri !== undefined) return { kind: "resource", uri };
    return prompt === undefined ? { kind: "app" } : { kind: "prompt", name: prompt };
  }
}

/** A role written out in the test file. */
function inline(node: SourceMap): RoleScope {
  const findings = new Findings();
  const role = readRole(node, findings);
  return { roles: role ? [role] : [], problems: findings.problems };
}
