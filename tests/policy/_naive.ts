// Roles read word by word, with no thought for speed: what the compiled policy must agree with.
// Expressions of the runtime are RE2's own port, so that not even the pattern engine is shared.
import { RE2JS } from "re2js";

export interface NaiveTool {
  readonly name: string;
  /** The condition as text, and what it means; `undefined` is "cannot tell". */
  readonly where?: { readonly text: string; holds(args: unknown): boolean | undefined };
  readonly sha256?: string;
}

export interface NaiveSide {
  readonly app_labels?: Readonly<Record<string, readonly string[]>>;
  readonly expression?: { readonly text: string; holds(labels: Labels, traits: Traits): boolean };
  readonly tools?: readonly NaiveTool[];
  readonly resources?: readonly string[];
  readonly prompts?: readonly string[];
}

export interface NaiveRole {
  readonly name: string;
  /** `v8` where it is left out. */
  readonly version?: string;
  readonly allow: NaiveSide;
  readonly deny: NaiveSide;
  readonly mfa: boolean;
}

export type Labels = Readonly<Record<string, string>>;
export type Traits = Readonly<Record<string, readonly string[]>>;

export interface NaiveAsk {
  readonly kind: "app" | "tool" | "resource" | "prompt";
  readonly name: string;
  readonly args: unknown;
  readonly definition: string | undefined;
}

/** The document of a role, as a file has it. */
export function roleDocument(role: NaiveRole): Record<string, unknown> {
  const side = ({ app_labels, expression, tools, resources, prompts }: NaiveSide) => ({
    ...(app_labels ? { app_labels } : {}),
    ...(expression ? { app_labels_expression: expression.text } : {}),
    mcp: {
      ...(tools ? { tools: tools.map(toolDocument) } : {}),
      ...(resources ? { resources } : {}),
      ...(prompts ? { prompts } : {}),
    },
  });
  return {
    kind: "role",
    version: role.version ?? "v8",
    metadata: { name: role.name },
    spec: {
      allow: side(role.allow),
      deny: side(role.deny),
      options: { require_session_mfa: role.mfa },
    },
  };
}

function toolDocument({ name, where, sha256 }: NaiveTool): unknown {
  if (!where && sha256 === undefined) return name;
  return { name, ...(where ? { where: where.text } : {}), ...(sha256 ? { sha256 } : {}) };
}

/** Whether the roles allow it: every role denies on its own, then one role must allow it all. */
export function naiveAllows(
  roles: readonly NaiveRole[],
  traits: Traits,
  labels: Labels,
  ask: NaiveAsk,
): boolean {
  for (const { deny } of roles) {
    if (deny.app_labels && fits(deny.app_labels, traits, labels)) return false;
    if (deny.expression?.holds(labels, traits)) return false;
    if (ask.kind === "tool" && deny.tools?.some((tool) => denies(tool, traits, ask))) return false;
    if (ask.kind === "resource" && matchesAny(deny.resources ?? [], traits, ask.name)) return false;
    if (ask.kind === "prompt" && matchesAny(deny.prompts ?? [], traits, ask.name)) return false;
  }
  const open = roles.filter(({ allow, version }) =>
    opens(withDefaults(allow, version), traits, labels)
  );
  if (open.length === 0 || open.some(({ mfa }) => mfa)) return false;
  if (ask.kind === "app") return true;
  if (ask.kind === "tool") {
    return open.some(({ allow }) => allow.tools?.some((tool) => allows(tool, traits, ask)));
  }
  const list = ask.kind === "resource" ? "resources" : "prompts";
  const restricting = open.filter(({ allow }) => allow[list] !== undefined);
  return restricting.length === 0 ||
    restricting.some(({ allow }) => matchesAny(allow[list] ?? [], traits, ask.name));
}

/** Before v4 an allow side without labels opens every app. */
function withDefaults(allow: NaiveSide, version: string | undefined): NaiveSide {
  return version === "v3" ? { app_labels: { "*": ["*"] }, ...allow } : allow;
}

function opens(
  { app_labels, expression }: NaiveSide,
  traits: Traits,
  labels: Labels,
): boolean {
  const selects = app_labels !== undefined && Object.keys(app_labels).length > 0;
  if (!selects && !expression) return false;
  return (!selects || fits(app_labels, traits, labels)) &&
    (!expression || expression.holds(labels, traits));
}

function fits(
  selector: Readonly<Record<string, readonly string[]>>,
  traits: Traits,
  labels: Labels,
): boolean {
  const entries = Object.entries(selector);
  if (entries.some(([key, values]) => key === "*" && values.length === 1 && values[0] === "*")) {
    return true;
  }
  return entries.length > 0 && entries.every(([key, values]) => {
    const value = labels[key];
    return value !== undefined && values.some((text) => {
      const expanded = expand(text, traits);
      return (expanded.length === 0 ? [""] : expanded).some((p) => p === "*" || matches(p, value));
    });
  });
}

function denies({ name, where, sha256 }: NaiveTool, traits: Traits, ask: NaiveAsk): boolean {
  if (!matchesAny([name], traits, ask.name)) return false;
  if (sha256 !== undefined && ask.definition !== undefined && sha256 !== ask.definition) {
    return false;
  }
  return !where || where.holds(ask.args) !== false;
}

function allows({ name, where, sha256 }: NaiveTool, traits: Traits, ask: NaiveAsk): boolean {
  if (!matchesAny([name], traits, ask.name)) return false;
  return (sha256 === undefined || sha256 === ask.definition) &&
    (!where || where.holds(ask.args) === true);
}

function matchesAny(texts: readonly string[], traits: Traits, name: string): boolean {
  return texts.some((text) => expand(text, traits).some((pattern) => matches(pattern, name)));
}

/** Templates of the one form that these roles use: `…{{external.NAME}}…`. */
function expand(text: string, traits: Traits): readonly string[] {
  const [before, rest] = text.split("{{external.");
  if (before === undefined || rest === undefined) return [text];
  const [trait, after] = rest.split("}}");
  const values = traits[trait ?? ""] ?? [];
  return values.filter((value) => value !== "").map((value) => before + value + (after ?? ""));
}

function matches(pattern: string, text: string): boolean {
  if (pattern.startsWith("^") && pattern.endsWith("$")) {
    return RE2JS.compile(pattern).matcher(text).find();
  }
  const quoted = pattern.split("*").map((piece) => RE2JS.quote(piece)).join(".*");
  return RE2JS.compile(`^(?:${quoted})$`).matcher(text).find();
}
