/**
 * Role documents into roles. Every problem of every document is found in one pass, each with its
 * place and a hint; a role with a problem is not returned. What a role returned here contains can
 * be compiled for anyone, unless a principal's own traits spoil it.
 */
import { PolicyError } from "./error.ts";
import { asMap, asText, type Field, Findings, readFields } from "./_fields.ts";
import {
  METADATA_FIELDS,
  RESERVED_NAMES,
  ROLE_FIELDS,
  ROLE_VERSIONS,
  SPEC_FIELDS,
} from "./_known_fields.ts";
import { nearest } from "./_nearest.ts";
import { parseConditions } from "./_parse_conditions.ts";
import { parseOptions } from "./_parse_options.ts";
import { formatProblems, type Problem } from "./problem.ts";
import type { Role } from "./role.ts";
import { parseSource, type SourceMap, type SourceNode, toPlain } from "./source.ts";

/** What a text with role documents holds. */
export interface ParsedRoles {
  readonly roles: Role[];
  readonly problems: Problem[];
  /** Accepted, and without effect here. */
  readonly notices: Problem[];
}

/** Reads a text of any number of roles, in YAML or JSON. */
export function parseRoles(text: string, file: string): ParsedRoles {
  const { documents, problems } = parseSource(text, file);
  const findings = new Findings();
  findings.problems.push(...problems);
  if (documents.length === 0 && problems.length === 0) {
    findings.problem({ file, line: 1, column: 1 }, "There is no role in the file");
  }
  const roles = new Map<string, Role>();
  for (const document of documents) {
    const role = readRole(document, findings);
    if (!role) continue;
    const first = roles.get(role.name);
    if (first) {
      findings.problem(role.at, `Role "${role.name}" stands in line ${first.at.line} already`);
    } else roles.set(role.name, role);
  }
  return {
    roles: [...roles.values()],
    problems: inOrder(findings.problems),
    notices: inOrder(findings.notices),
  };
}

/** Reads a text of exactly one role; throws `ROLE_INVALID` with all that is wrong with it. */
export function parseRole(text: string, file: string): Role {
  const { roles, problems } = parseRoles(text, file);
  const [role, second] = roles;
  const all = second && problems.length === 0
    ? [{ at: second.at, message: "There is a second role in the file" }]
    : problems;
  if (!role || all.length > 0) throw invalidRole(all, file);
  return role;
}

/** The error for roles that do not parse. */
export function invalidRole(problems: readonly Problem[], file: string): PolicyError {
  const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
  return new PolicyError(
    "ROLE_INVALID",
    `Cannot use the role in ${file}: ${count}\n${formatProblems(problems)}`,
    { problems, hint: "Correct the file; nothing was changed" },
  );
}

/** The role of one document, which other resources may stand beside. */
export function readRole(document: SourceNode, findings: Findings): Role | undefined {
  const before = findings.problems.length;
  const root = asMap(document, "A role", findings);
  if (!root) return undefined;
  const kind = root.entries.find(({ key }) => key === "kind")?.value;
  if (kind?.kind === "scalar" && typeof kind.value === "string" && kind.value !== "role") {
    return findings.problem(kind.at, `Expected kind: role, found kind: ${kind.value}`);
  }
  const fields = readFields(root, "", ROLE_FIELDS, findings);
  if (!fields.has("kind")) findings.problem(root.at, "kind is missing", "write kind: role");
  const version = readVersion(fields.get("version"), root, findings);
  const metadata = readMetadata(fields.get("metadata"), root, findings);
  const name = metadata?.name ?? "";
  const specField = fields.get("spec");
  const specMap = specField && asMap(specField.value, "spec", findings);
  const spec = specMap ? readFields(specMap, "spec", SPEC_FIELDS, findings) : new Map();
  const context = { role: name, version: version ?? "v8", findings };
  const allow = parseConditions(spec.get("allow"), "spec.allow", context);
  const deny = parseConditions(spec.get("deny"), "spec.deny", context);
  const options = parseOptions(spec.get("options"), name, findings);
  if (findings.problems.length > before || !metadata || version === undefined) return undefined;
  const resource = toPlain(root) as Readonly<Record<string, unknown>>;
  return { ...metadata, version, at: root.at, allow, deny, options, resource };
}

function readVersion(
  field: Field | undefined,
  root: SourceMap,
  findings: Findings,
): string | undefined {
  if (!field) return findings.problem(root.at, "version is missing", "write version: v8");
  const version = asText(field.value, "version", findings)?.value;
  if (version === undefined || ROLE_VERSIONS.some((known) => known === version)) return version;
  return findings.problem(
    field.value.at,
    `role version "${version}" is not supported`,
    `known are ${ROLE_VERSIONS.join(", ")}`,
  );
}

function readMetadata(
  field: Field | undefined,
  root: SourceMap,
  findings: Findings,
): { name: string; description: string } | undefined {
  const map = field && asMap(field.value, "metadata", findings);
  if (!map) {
    return field ? undefined : findings.problem(root.at, "metadata.name is missing");
  }
  const fields = readFields(map, "metadata", METADATA_FIELDS, findings);
  const described = fields.get("description");
  const description = described && asText(described.value, "metadata.description", findings);
  const named = fields.get("name");
  if (!named) return findings.problem(map.at, "metadata.name is missing");
  const name = asText(named.value, "metadata.name", findings)?.value;
  if (name === undefined) return undefined;
  if (name.trim() === "") return findings.problem(named.value.at, "metadata.name is empty");
  if (RESERVED_NAMES.has(name)) {
    return findings.problem(
      named.value.at,
      `reserved role: ${name}`,
      `the name belongs to a service; choose another, such as ${name.toLowerCase()}-access`,
    );
  }
  return { name, description: description?.value ?? "" };
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
}

/** The nearest of some names, as a hint. */
export function didYouMean(name: string, known: Iterable<string>): string | undefined {
  const meant = nearest(name, known);
  return meant === undefined ? undefined : `did you mean ${meant}?`;
}
