/** `spec.allow.rules` and `spec.deny.rules`: what their holder may do to the cluster's resources. */
import { asMap, asTexts, type Field, readFields, type TextNode } from "./_fields.ts";
import type { Findings } from "./_fields.ts";
import {
  ADMIN_RESOURCES,
  ADMIN_VERBS,
  OTHER_ADMIN_RESOURCES,
  OTHER_ADMIN_VERBS,
  RULE_FIELDS,
} from "./_known_fields.ts";
import { nearest } from "./_nearest.ts";
import type { ResourceRule } from "./role.ts";
import type { SourceNode } from "./source.ts";

interface RuleContext {
  readonly role: string;
  readonly findings: Findings;
}

/** Reads one side's `rules`. */
export function parseResourceRules(
  { value }: Field,
  path: string,
  context: RuleContext,
): ResourceRule[] {
  if (value.kind !== "list") {
    context.findings.problem(value.at, `${path} must be a list of rules`);
    return [];
  }
  return value.items.map((item, index) => readRule(item, `${path}[${index}]`, context))
    .filter((rule) => rule !== undefined);
}

function readRule(
  node: SourceNode,
  path: string,
  { findings, role }: RuleContext,
): ResourceRule | undefined {
  const map = asMap(node, path, findings);
  if (!map) return undefined;
  for (const { key, keyAt } of map.entries) {
    if (key !== "where" && key !== "actions") continue;
    // Without its condition the rule would say something else: it is never left out in silence.
    return findings.problem(
      keyAt,
      `${path}.${key} is not supported`,
      "write the rule without it, and give it to those bots alone whom it is for",
    );
  }
  const fields = readFields(map, path, RULE_FIELDS, findings);
  const texts = (name: string): TextNode[] => {
    const field = fields.get(name);
    if (!field) {
      findings.problem(map.at, `${path}.${name} is missing`);
      return [];
    }
    return asTexts(field.value, `${path}.${name}`, findings, false).map(({ node }) => node);
  };
  const resources = texts("resources");
  const verbs = texts("verbs");
  for (const resource of resources) noticeResource(resource, path, findings);
  for (const verb of verbs) checkVerb(verb, path, findings);
  const [first] = resources;
  const named = { resources: resources.map(valueOf), verbs: verbs.map(valueOf) };
  const rule = `${named.verbs.join(", ")} on ${named.resources.join(", ")}`;
  return { ref: { ...(first?.at ?? map.at), role, path, rule }, ...named };
}

function valueOf({ value }: TextNode): string {
  return value;
}

/** One role may serve other clusters as well, so a resource that is not here is no error. */
function noticeResource({ at, value }: TextNode, path: string, findings: Findings): void {
  if (value === "*" || ADMIN_RESOURCES.some((known) => known === value)) return;
  if (OTHER_ADMIN_RESOURCES.has(value)) {
    return findings.notice(at, `${path}: there is no resource "${value}" here; it has no effect`);
  }
  const meant = nearest(value, [...ADMIN_RESOURCES, ...OTHER_ADMIN_RESOURCES]);
  findings.notice(
    at,
    `${path}: "${value}" is not a known resource, and has no effect`,
    meant === undefined ? `known are ${ADMIN_RESOURCES.join(", ")}` : `did you mean ${meant}?`,
  );
}

function checkVerb({ at, value }: TextNode, path: string, findings: Findings): void {
  if (value === "*" || ADMIN_VERBS.some((known) => known === value)) return;
  if (OTHER_ADMIN_VERBS.has(value)) {
    return findings.notice(at, `${path}: the verb "${value}" has no effect here`);
  }
  const meant = nearest(value, ADMIN_VERBS);
  findings.problem(
    at,
    `${path}: there is no verb "${value}"`,
    meant === undefined ? `known are ${ADMIN_VERBS.join(", ")} and *` : `did you mean ${meant}?`,
  );
}
