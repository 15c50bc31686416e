import { IdentityError } from "../../identity/mod.ts";
import {
  explain,
  type Explanation,
  explanationsJson,
  formatExplanation,
  formatProblems,
  parseRoles,
  PolicyError,
  type Role,
  type What,
} from "../../policy/mod.ts";
import { formatTable } from "../table.ts";
import { visible } from "../visible.ts";
import { readTexts } from "./_policy_files.ts";
import type { PolicyHost } from "./policy.ts";

export interface ExplainCommand {
  readonly role: readonly string[];
  readonly bot: string;
  readonly trait?: readonly string[] | undefined;
  readonly app: string;
  readonly label?: readonly string[] | undefined;
  readonly tool?: readonly string[] | undefined;
  /** The arguments of the call, in JSON. */
  readonly arguments?: string | undefined;
  readonly format: "text" | "json";
}

/** `policy explain`: resolves with 0 once there is an answer, whichever it is. */
export async function explainPolicy(command: ExplainCommand, host: PolicyHost): Promise<number> {
  const roles = await readRoles(command.role);
  const traits: Record<string, string[]> = Object.create(null);
  for (const [key, value] of pairs(command.trait, "--trait")) (traits[key] ??= []).push(value);
  const labels: Record<string, string> = Object.create(null);
  for (const [key, value] of pairs(command.label, "--label")) {
    if (key in labels) throw badOption(`Label ${key} is given twice`, "Give each label once");
    labels[key] = value;
  }
  const subject = { name: command.bot, traits };
  const app = { name: command.app, labels };
  const explanations = asksOf(command).map((what) => explain(roles, { subject, app, what }));
  if (command.format === "json") host.stdout.write(explanationsJson(explanations));
  else if (explanations.length > 1) host.stdout.write(tableOf(explanations));
  else {
    const text = explanations.map(formatExplanation).join("");
    host.stdout.write(text.split("\n").map(visible).join("\n"));
  }
  return 0;
}

async function readRoles(paths: readonly string[]): Promise<Role[]> {
  const parsed = (await readTexts(paths)).map(({ file, text }) => parseRoles(text, file));
  const problems = parsed.flatMap((each) => each.problems);
  // The answer of some of the roles would be the wrong one.
  if (problems.length > 0) {
    throw new PolicyError(
      "ROLE_INVALID",
      `Cannot use the roles\n${formatProblems(problems)}`,
      { problems, hint: "Correct the file" },
    );
  }
  return parsed.flatMap(({ roles }) => roles);
}

function asksOf(command: ExplainCommand): What[] {
  const tools = command.tool ?? [];
  if (command.arguments === undefined) {
    return tools.length === 0 ? [{ kind: "app" }] : tools.map((name) => ({ kind: "tool", name }));
  }
  const [name, second] = tools;
  if (name === undefined || second !== undefined) {
    throw badOption("--arguments belongs to one --tool", "Name the tool that is called");
  }
  try {
    return [{ kind: "tool", name, arguments: JSON.parse(command.arguments) }];
  } catch (cause) {
    throw badOption("Cannot read --arguments: not JSON", 'Write for instance {"path":"/"}', cause);
  }
}

function tableOf(explanations: readonly Explanation[]): string {
  const rows = explanations.map(({ what, decision }) => {
    const by = "by" in decision ? decision.by : undefined;
    return [
      what.kind === "tool" ? what.name : what.kind,
      decision.effect === "allow" ? "allow" : `deny: ${decision.because}`,
      by ? `${by.role} ${by.path} ${JSON.stringify(by.rule)}` : "",
      by ? `${by.file}:${by.line}` : "",
    ];
  });
  return formatTable(["Tool", "Answer", "Rule", "Place"], rows);
}

function pairs(texts: readonly string[] | undefined, option: string): [string, string][] {
  return (texts ?? []).map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1) throw badOption(`Cannot read ${option} ${text}`, `Write ${option} key=value`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
}

function badOption(message: string, hint: string, cause?: unknown): IdentityError {
  return new IdentityError("BAD_REQUEST", message, { hint, cause });
}
