import { writeFile } from "node:fs/promises";
import { type DiffWorld, type KnownApp, type ParsedRoles, parseRoles } from "../../policy/mod.ts";
import {
  type CatalogueTool,
  type Finding,
  type FindingFormat,
  fixRoles,
  formatFindings,
  type LintOptions,
  lintRoles,
  problemFinding,
  type Sources,
} from "../../policy/lint/mod.ts";
import { inBatches, SERVERS_AT_A_TIME } from "./_in_batches.ts";
import { readTexts, readTools, type TextFile } from "./_policy_files.ts";
import { badOption, type PolicyCluster, readWorldFile } from "./_policy_world.ts";
import { visible } from "../visible.ts";
import type { PolicyHost } from "./policy.ts";

export interface LintCommand {
  readonly paths: readonly string[];
  readonly format: FindingFormat;
  /** A file with the tools that there are. */
  readonly tools?: string | undefined;
  /** A file that tells of bots and apps. */
  readonly world?: string | undefined;
  /** The cluster of this host: its bots and apps, and its roles if no path is given. */
  readonly cluster?: PolicyCluster | undefined;
  /** Ask the servers of the cluster's apps for their tools. */
  readonly liveTools?: true | undefined;
  readonly fix?: true | undefined;
}

/** `policy lint`: resolves with 1 when something was found that has to be mended. */
export async function lint(command: LintCommand, host: PolicyHost): Promise<number> {
  const known = await command.cluster?.world();
  const world = command.world === undefined ? known : await readWorldFile(command.world);
  const options = await optionsFrom(command, world ?? {}, host);
  let files = await filesOf(command, known?.roles);
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

async function filesOf(
  { paths, fix }: LintCommand,
  roles: readonly TextFile[] | undefined,
): Promise<readonly TextFile[]> {
  if (paths.length > 0) return await readTexts(paths);
  if (!roles) throw badOption("Nothing to check", "Name role files, or folders of them");
  if (fix) throw badOption("--fix changes files", "Name the files of the roles");
  return roles;
}

/** What lint may hold roles against. Tools count only where those of every app are known. */
async function optionsFrom(
  { tools: file, cluster, liveTools }: LintCommand,
  { apps, subjects }: DiffWorld,
  host: PolicyHost,
): Promise<LintOptions> {
  const named = apps?.every(({ tools }) => tools)
    ? apps.flatMap(({ tools = [] }) => tools.map((name) => ({ name })))
    : undefined;
  const live = liveTools && cluster && apps ? await askServers(cluster, apps, host) : named;
  const tools = file === undefined ? live : await readTools(file);
  // A bot without a list of roles holds them all.
  const bots = subjects?.every(({ roles }) => roles)
    ? subjects.map(({ name, roles = [] }) => ({ name, roles }))
    : undefined;
  return { ...(apps && { apps }), ...(tools && { tools }), ...(bots && { bots }) };
}

/** The tools of all servers; none if one of them does not say, since its might be any. */
async function askServers(
  cluster: PolicyCluster,
  apps: readonly KnownApp[],
  { stderr }: PolicyHost,
): Promise<CatalogueTool[] | undefined> {
  const answers = await inBatches(apps, SERVERS_AT_A_TIME, async ({ name }) => ({
    name,
    ...await cluster.tools(name),
  }));
  const silent = answers.filter(({ tools }) => tools === undefined);
  for (const { name, problem } of silent) {
    const line = `Tools are not checked: those of ${name} are not known: ${problem}`;
    stderr.write(`${visible(line)}\n`);
  }
  return silent.length > 0 ? undefined : answers.flatMap(({ tools = [] }) => tools);
}

function lintTexts(
  files: readonly TextFile[],
  options: LintOptions,
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
