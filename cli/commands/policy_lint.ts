import { writeFile } from "node:fs/promises";
import { IdentityError } from "../../identity/mod.ts";
import { type ParsedRoles, parseRoles } from "../../policy/mod.ts";
import {
  type CatalogueTool,
  type Finding,
  type FindingFormat,
  fixRoles,
  formatFindings,
  lintRoles,
  problemFinding,
  type Sources,
} from "../../policy/lint/mod.ts";
import { readText, readTexts, type TextFile } from "./_policy_files.ts";
import type { PolicyHost } from "./policy.ts";

export interface LintCommand {
  readonly paths: readonly string[];
  readonly format: FindingFormat;
  /** A file with the tools that there are. */
  readonly tools?: string | undefined;
  readonly fix?: true | undefined;
}

/** `policy lint`: resolves with 1 when something was found that has to be mended. */
export async function lint(command: LintCommand, host: PolicyHost): Promise<number> {
  const tools = command.tools === undefined ? undefined : await readTools(command.tools);
  const options = tools === undefined ? {} : { tools };
  let files = await readTexts(command.paths);
  let findings = lintTexts(files, options);
  if (command.fix) {
    const { edits, texts } = fixRoles(findings, sourcesOf(files));
    for (const [file, text] of texts) await writeFile(file, text);
    host.stderr.write(`Removed ${edits.length} ${edits.length === 1 ? "rule" : "rules"}\n`);
    files = files.map(({ file, text }) => ({ file, text: texts.get(file) ?? text }));
    findings = lintTexts(files, options);
  }
  host.stdout.write(formatFindings(findings, command.format, sourcesOf(files)));
  if (command.format === "text") host.stderr.write(summary(findings, files.length));
  return findings.some(({ severity }) => severity !== "info") ? 1 : 0;
}

function lintTexts(
  files: readonly TextFile[],
  options: { readonly tools?: readonly CatalogueTool[] },
): Finding[] {
  const parsed: ParsedRoles[] = files.map(({ file, text }) => parseRoles(text, file));
  return [
    ...parsed.flatMap(({ problems }) => problems.map((problem) => problemFinding(problem))),
    ...parsed.flatMap(({ notices }) => notices.map((n) => problemFinding(n, "not-enforced"))),
    ...lintRoles(parsed.flatMap(({ roles }) => roles), options),
  ];
}

function sourcesOf(files: readonly TextFile[]): Sources {
  return new Map(files.map(({ file, text }) => [file, text]));
}

function summary(findings: readonly Finding[], files: number): string {
  const count = (severity: Finding["severity"], word: string) => {
    const n = findings.filter((found) => found.severity === severity).length;
    return `${n} ${word}${n === 1 ? "" : "s"}`;
  };
  const checked = `${files} ${files === 1 ? "file" : "files"}`;
  return `Checked ${checked}: ${count("error", "error")}, ${count("warning", "warning")}, ` +
    `${count("info", "note")}\n`;
}

/** The tools of `tools/list`: the result, the whole answer, or the list alone. */
async function readTools(file: string): Promise<CatalogueTool[]> {
  const text = await readText(file);
  try {
    const json = JSON.parse(text);
    const list: unknown = Array.isArray(json) ? json : json?.tools ?? json?.result?.tools;
    if (Array.isArray(list) && list.every(isTool)) return list;
  } catch {
    // Said below.
  }
  throw new IdentityError("BAD_REQUEST", `Cannot read tools from ${file}: it holds no list`, {
    hint: "Give the JSON that a server answers to tools/list",
  });
}

function isTool(value: unknown): value is CatalogueTool {
  return typeof value === "object" && value !== null && "name" in value &&
    typeof value.name === "string";
}
