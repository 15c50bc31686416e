/**
 * The file that tells `policy diff` of a cluster: `bots` with their roles and traits, and `apps`
 * with their labels and tools, as far as they are known.
 */
import { asMap, asText, asTexts, type Field, Findings, readFields } from "./_fields.ts";
import type { DiffWorld, KnownApp, KnownSubject } from "./diff.ts";
import type { Problem } from "./problem.ts";
import { parseSource, type SourceNode } from "./source.ts";

/** Reads the file; every mistake in it is among the problems. */
export function parseWorld(text: string, file: string): { world: DiffWorld; problems: Problem[] } {
  const { documents, problems } = parseSource(text, file);
  const findings = new Findings();
  findings.problems.push(...problems);
  const [document, second] = documents;
  if (second) findings.problem(second.at, "There is a second document in the file");
  const map = document && asMap(document, "The file", findings);
  const fields = map ? readFields(map, "", ["bots", "apps"], findings) : new Map<string, Field>();
  const [bots, apps] = [fields.get("bots"), fields.get("apps")];
  const world: DiffWorld = {
    ...(bots && { subjects: readList(bots, "bots", findings, readBot) }),
    ...(apps && { apps: readList(apps, "apps", findings, readApp) }),
  };
  return { world, problems: findings.problems };
}

type Fields = ReadonlyMap<string, Field>;

function readList<T>(
  { value }: Field,
  path: string,
  findings: Findings,
  read: (node: SourceNode, path: string, findings: Findings) => T | undefined,
): T[] {
  if (value.kind !== "list") {
    findings.problem(value.at, `${path} must be a list`);
    return [];
  }
  return value.items.map((item, index) => read(item, `${path}[${index}]`, findings))
    .filter((item) => item !== undefined);
}

function readBot(node: SourceNode, path: string, findings: Findings): KnownSubject | undefined {
  const fields = fieldsOf(node, path, ["name", "roles", "traits"], findings);
  const name = fields && nameOf(node, fields, path, findings);
  if (!fields || name === undefined) return undefined;
  const roles = texts(fields.get("roles"), `${path}.roles`, findings);
  return { name, traits: readTraits(fields, path, findings), ...(roles && { roles }) };
}

function readApp(node: SourceNode, path: string, findings: Findings): KnownApp | undefined {
  const fields = fieldsOf(node, path, ["name", "labels", "tools"], findings);
  const name = fields && nameOf(node, fields, path, findings);
  if (!fields || name === undefined) return undefined;
  const labels: Record<string, string> = Object.create(null);
  for (const [key, value] of entriesOf(fields.get("labels"), `${path}.labels`, findings)) {
    labels[key] = asText(value, `${path}.labels.${key}`, findings)?.value ?? "";
  }
  const tools = texts(fields.get("tools"), `${path}.tools`, findings);
  return { name, labels, ...(tools && { tools }) };
}

function readTraits(fields: Fields, path: string, findings: Findings): KnownSubject["traits"] {
  const traits: Record<string, readonly string[]> = Object.create(null);
  for (const [key, value] of entriesOf(fields.get("traits"), `${path}.traits`, findings)) {
    traits[key] = asTexts(value, `${path}.traits.${key}`, findings, true).map((t) => t.node.value);
  }
  return traits;
}

function fieldsOf(
  node: SourceNode,
  path: string,
  known: readonly string[],
  findings: Findings,
): Fields | undefined {
  const map = asMap(node, path, findings);
  return map && readFields(map, path, known, findings);
}

function nameOf(
  node: SourceNode,
  fields: Fields,
  path: string,
  findings: Findings,
): string | undefined {
  const field = fields.get("name");
  if (!field) return findings.problem(node.at, `${path}.name is missing`);
  return asText(field.value, `${path}.name`, findings)?.value;
}

function texts(
  field: Field | undefined,
  path: string,
  findings: Findings,
): readonly string[] | undefined {
  return field && asTexts(field.value, path, findings, false).map(({ node }) => node.value);
}

function entriesOf(
  field: Field | undefined,
  path: string,
  findings: Findings,
): [key: string, value: SourceNode][] {
  const map = field && asMap(field.value, path, findings);
  return (map?.entries ?? []).map(({ key, value }) => [key, value]);
}
