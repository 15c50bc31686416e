import {
  asMap,
  asText,
  asTexts,
  type Field,
  Findings,
  readFields,
  type TextNode,
} from "./_fields.ts";
import {
  AUTHORITY_FIELDS,
  CONDITION_FIELDS,
  MCP_FIELDS,
  OTHER_CONDITION_FIELDS,
  TOOL_FIELDS,
} from "./_known_fields.ts";
import { parseResourceRules } from "./_parse_resource_rules.ts";
import type { RuleRef } from "./decision.ts";
import { type Expression, parseExpression } from "./expression.ts";
import { compilePattern } from "./pattern/mod.ts";
import type { Position } from "./problem.ts";
import type {
  Conditions,
  ExpressionRule,
  LabelRule,
  LabelSelector,
  PatternRule,
  ToolRule,
} from "./role.ts";
import { locate, type SourceEntry, type SourceNode } from "./source.ts";
import { parseTemplate, type Template } from "./template.ts";

export interface RoleContext {
  readonly role: string;
  readonly version: string;
  readonly findings: Findings;
}

const TOLERATED = new Set([...OTHER_CONDITION_FIELDS, ...AUTHORITY_FIELDS]);

/** Reads one side of a role: `spec.allow` or `spec.deny`. */
export function parseConditions(
  field: Field | undefined,
  path: "spec.allow" | "spec.deny",
  context: RoleContext,
): Conditions {
  const { findings } = context;
  const map = field && asMap(field.value, path, findings);
  const fields = map
    ? readFields(map, path, CONDITION_FIELDS, findings, TOLERATED)
    : new Map<string, Field>();
  const labels = fields.get("app_labels");
  const expression = fields.get("app_labels_expression");
  const namespaces = fields.get("namespaces");
  const rules = fields.get("rules");
  const mcp = fields.get("mcp");
  const mcpMap = mcp && asMap(mcp.value, `${path}.mcp`, findings);
  const lists = mcpMap
    ? readFields(mcpMap, `${path}.mcp`, MCP_FIELDS, findings)
    : new Map<string, Field>();
  const [tools, resources, prompts] = ["tools", "resources", "prompts"].map((n) => lists.get(n));
  return {
    namespaces: namespaces
      ? asTexts(namespaces.value, `${path}.namespaces`, findings, false).map((t) => t.node.value)
      : ["default"],
    labels: labels
      ? readSelector(labels, `${path}.app_labels`, context)
      : defaultLabels(path, context, field?.keyAt),
    expression: expression &&
      readExpression(expression, `${path}.app_labels_expression`, context),
    tools: tools ? readTools(tools.value, `${path}.mcp.tools`, context) : [],
    resources: resources && readPatterns(resources.value, `${path}.mcp.resources`, context),
    prompts: prompts && readPatterns(prompts.value, `${path}.mcp.prompts`, context),
    rules: rules ? parseResourceRules(rules, `${path}.rules`, context) : [],
  };
}

/** Version 3 opens every app unless its allow side names labels, if only none. */
function defaultLabels(
  path: string,
  context: RoleContext,
  at: Position | undefined,
): LabelSelector | undefined {
  if (context.version !== "v3" || path !== "spec.allow") return undefined;
  const place = at ?? { file: "", line: 1, column: 1 };
  const ref: RuleRef = {
    ...place,
    role: context.role,
    path: `${path}.app_labels`,
    rule: "'*': '*' (the default of v3)",
  };
  const any = compilePattern("*");
  const template: Template = { kind: "literal", text: "*" };
  const value: PatternRule = { ref, template, pattern: any.ok ? any.pattern : undefined };
  return { ref, labels: [{ ref, key: template, values: [value] }] };
}

function readSelector(
  { keyAt, value }: Field,
  path: string,
  context: RoleContext,
): LabelSelector | undefined {
  const map = asMap(value, path, context.findings);
  if (!map) return undefined;
  const labels = map.entries.map((entry) => readLabel(entry, path, context));
  const rule = labels.length === 0 ? "{}" : labels.map((label) => label.ref.rule).join(", ");
  return { ref: { ...keyAt, role: context.role, path, rule }, labels };
}

function readLabel(entry: SourceEntry, path: string, context: RoleContext): LabelRule {
  const { findings, role } = context;
  const at = `${path}[${JSON.stringify(entry.key)}]`;
  const texts = asTexts(entry.value, at, findings, true);
  const shown = texts.map((t) => t.node.value);
  if (
    path.startsWith("spec.allow") && entry.key === "*" && !(shown.length === 1 && shown[0] === "*")
  ) {
    findings.problem(
      entry.keyAt,
      `selector *:${shown.join(",")} is not supported`,
      "the key '*' goes with the value '*' alone",
    );
  }
  const rule = `${entry.key}: ${shown.length === 1 ? shown[0] : `[${shown.join(", ")}]`}`;
  const key = readTemplate(entry.key, entry.keyAt, at, context);
  return {
    ref: { ...entry.keyAt, role, path: at, rule },
    key: key ?? { kind: "literal", text: entry.key },
    values: texts.map((text) => readPattern(text.node, text.path, context)),
  };
}

function readExpression(
  { value }: Field,
  path: string,
  context: RoleContext,
): ExpressionRule | undefined {
  const node = asText(value, path, context.findings);
  if (!node || node.value === "") return undefined;
  const expression = readCondition(node, path, context, "labels");
  if (!expression) return undefined;
  return { ref: { ...node.at, role: context.role, path, rule: node.value.trim() }, expression };
}

function readCondition(
  node: TextNode,
  path: string,
  { findings }: RoleContext,
  scope: "labels" | "arguments",
): Expression | undefined {
  const parsed = parseExpression(node.value, scope);
  if (parsed.ok) return parsed.expression;
  return findings.problem(locate(node, parsed.offset), `${path}: ${parsed.message}`, parsed.hint);
}

function readPatterns(node: SourceNode, path: string, context: RoleContext): PatternRule[] {
  return asTexts(node, path, context.findings, false)
    .map((text) => readPattern(text.node, text.path, context));
}

function readTools(node: SourceNode, path: string, context: RoleContext): ToolRule[] {
  if (node.kind !== "list") {
    asTexts(node, path, context.findings, false);
    return [];
  }
  const rules: ToolRule[] = [];
  for (const [index, item] of node.items.entries()) {
    const rule = readTool(item, `${path}[${index}]`, context);
    if (rule) rules.push(rule);
  }
  return rules;
}

/** A pattern, or `{name, where, sha256}`. */
function readTool(item: SourceNode, path: string, context: RoleContext): ToolRule | undefined {
  const { findings } = context;
  if (item.kind !== "map") {
    const text = asText(item, path, findings);
    return text && { ...readPattern(text, path, context), where: undefined, sha256: undefined };
  }
  const fields = readFields(item, path, TOOL_FIELDS, findings);
  const name = fields.get("name");
  if (!name) return findings.problem(item.at, `${path}.name is missing`);
  const text = asText(name.value, `${path}.name`, findings);
  if (!text) return undefined;
  const condition = fields.get("where");
  const whereNode = condition && asText(condition.value, `${path}.where`, findings);
  const where = whereNode && readCondition(whereNode, `${path}.where`, context, "arguments");
  const pin = fields.get("sha256");
  const sha256 = pin && readPin(pin.value, `${path}.sha256`, findings);
  const pattern = readPattern(text, path, context);
  const rule = [text.value, whereNode && `where ${whereNode.value.trim()}`, pin && "pinned"]
    .filter((part) => part !== undefined).join(" ");
  return { ...pattern, ref: { ...pattern.ref, rule }, where, sha256 };
}

function readPin(node: SourceNode, path: string, findings: Findings): string | undefined {
  const text = asText(node, path, findings)?.value;
  if (text === undefined) return undefined;
  const digits = text.toLowerCase();
  if (digits.length === 64 && [...digits].every((d) => "0123456789abcdef".includes(d))) {
    return digits;
  }
  return findings.problem(node.at, `${path} must be 64 hexadecimal digits`);
}

function readPattern(node: TextNode, path: string, context: RoleContext): PatternRule {
  const text = node.value;
  const ref: RuleRef = { ...node.at, role: context.role, path, rule: text };
  const template = readTemplate(text, node, path, context) ?? { kind: "literal", text };
  if (template.kind === "template") return { ref, template, pattern: undefined };
  const compiled = compilePattern(text);
  if (!compiled.ok) {
    context.findings.problem(
      locate(node, compiled.offset),
      `${path}: ${compiled.message}`,
    );
  }
  return { ref, template, pattern: compiled.ok ? compiled.pattern : undefined };
}

function readTemplate(
  text: string,
  at: TextNode | Position,
  path: string,
  { findings }: RoleContext,
): Template | undefined {
  const parsed = parseTemplate(text);
  if (parsed.ok) return parsed.template;
  const place = "kind" in at ? locate(at, parsed.offset) : at;
  return findings.problem(place, `${path}: ${parsed.message}`, parsed.hint);
}
