import {
  describeDecision,
  explain,
  type Explanation,
  explanationsJson,
  formatExplanation,
  type KnownApp,
  type KnownSubject,
  nearestMiss,
  type RecordedCall,
  recordedCalls,
  type Role,
  type What,
} from "../../policy/mod.ts";
import { formatTable } from "../table.ts";
import { visible } from "../visible.ts";
import { readEvents } from "./_audit_events.ts";
import { readTools } from "./_policy_files.ts";
import {
  badOption,
  type ClusterWorld,
  type PolicyCluster,
  readRoles,
  readWorldFile,
  rolesOf,
} from "./_policy_world.ts";
import type { PolicyHost } from "./policy.ts";

export interface ExplainCommand {
  /** The id of a recorded decision, in place of a question. */
  readonly id?: string | undefined;
  /** A file of events to find the id in. */
  readonly audit?: string | undefined;
  readonly role?: readonly string[] | undefined;
  readonly world?: string | undefined;
  /** Take from the cluster of this host what no file or option says. */
  readonly cluster?: PolicyCluster | undefined;
  readonly bot: string;
  readonly trait?: readonly string[] | undefined;
  readonly app?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly tool?: readonly string[] | undefined;
  /** A file with the answer to tools/list: every tool of it is asked for. */
  readonly tools?: string | undefined;
  /** Ask the app's server for its tools. */
  readonly liveTools?: true | undefined;
  /** The arguments of the call, in JSON. */
  readonly arguments?: string | undefined;
  readonly format: "text" | "json";
}

/** `policy explain`: resolves with 0 once there is an answer, whichever it is. */
export async function explainPolicy(command: ExplainCommand, host: PolicyHost): Promise<number> {
  if (command.id !== undefined) return await explainRecorded(command.id, command, host);
  const known: Partial<ClusterWorld> = command.world === undefined
    ? await command.cluster?.world() ?? {}
    : await readWorldFile(command.world);
  const all = await rolesFor(command, known);
  const subject = subjectOf(command, known.subjects ?? []);
  const { roles: held } = subject;
  const roles = held ? all.filter(({ name }) => held.includes(name)) : all;
  const app = appOf(command, known.apps ?? []);
  const explanations = (await asksOf(command, app)).map((what) =>
    explain(roles, { subject, app, what })
  );
  if (command.format === "json") host.stdout.write(explanationsJson(explanations));
  else if (explanations.length > 1) host.stdout.write(tableOf(explanations));
  else print(explanations.map(formatExplanation).join(""), host);
  return 0;
}

/** What today's roles say to a decision of the audit log. */
async function explainRecorded(
  id: string,
  command: ExplainCommand,
  host: PolicyHost,
): Promise<number> {
  const { audit, cluster } = command;
  const events = audit === undefined ? await cluster?.decisionEvents(id) : await readEvents(audit);
  if (events === undefined) {
    throw badOption("Cannot look up a decision", "Name a file of events with --audit");
  }
  const call = recordedCalls(events).calls.find((each) => each.id === id);
  if (call === undefined) {
    throw badOption(
      `There is no decision ${id} among the events, or not the start of its session`,
      "Compare it with `decision_id` in `tctl audit ls --format=json`",
    );
  }
  const all = await rolesFor(command, command.role ? {} : await cluster?.world() ?? {});
  const roles = all.filter(({ name }) => call.roles.includes(name));
  const explanation = explain(roles, call.ask);
  if (command.format === "json") host.stdout.write(explanationsJson([explanation]));
  else print(formatRecorded(call, explanation) + formatExplanation(explanation), host);
  return 0;
}

function formatRecorded(call: RecordedCall, { decision }: Explanation): string {
  const { subject, app } = call.ask;
  const answered = call.effect === "allow" ? "allowed" : "denied";
  const lines = [`At ${call.time} ${subject.name} was ${answered} this on ${app.name}`];
  if (decision.effect !== call.effect) {
    lines.push(`Today's roles decide it otherwise: ${describeDecision(decision)}`);
  }
  if (call.argumentsAltered) {
    lines.push(
      "The log has not kept all arguments: a condition on them may be judged wrongly here",
    );
  }
  return `${lines.join("\n")}\n\n`;
}

/** Roles of files, or of the cluster. */
async function rolesFor(
  { role }: ExplainCommand,
  { roles }: Partial<ClusterWorld>,
): Promise<Role[]> {
  if (role) return await readRoles(role);
  if (roles) return rolesOf(roles);
  throw badOption("Cannot explain without roles", "Name role files with --role");
}

function subjectOf(
  { bot, trait }: ExplainCommand,
  known: readonly KnownSubject[],
): KnownSubject {
  const found = known.find(({ name }) => name === bot);
  if (!trait) return found ?? { name: bot, traits: {} };
  const traits: Record<string, string[]> = Object.create(null);
  for (const [key, value] of pairs(trait, "--trait")) (traits[key] ??= []).push(value);
  return { ...found, name: bot, traits };
}

function appOf({ app, label }: ExplainCommand, known: readonly KnownApp[]): KnownApp {
  if (app === undefined) throw badOption("Cannot explain without an app", "Name it with --app");
  const found = known.find(({ name }) => name === app);
  if (!label) return found ?? { name: app, labels: {} };
  const labels: Record<string, string> = Object.create(null);
  for (const [key, value] of pairs(label, "--label")) {
    if (key in labels) throw badOption(`Label ${key} is given twice`, "Give each label once");
    labels[key] = value;
  }
  return { ...found, name: app, labels };
}

async function asksOf(command: ExplainCommand, app: KnownApp): Promise<What[]> {
  const tools = command.tool?.map((name) => ({ name })) ?? await listedTools(command, app);
  if (command.arguments === undefined) {
    return tools.length === 0
      ? [{ kind: "app" }]
      : tools.map((tool) => ({ kind: "tool", ...tool }));
  }
  const [tool, second] = tools;
  if (tool === undefined || second !== undefined) {
    throw badOption("--arguments belongs to one --tool", "Name the tool that is called");
  }
  try {
    return [{ kind: "tool", ...tool, arguments: JSON.parse(command.arguments) }];
  } catch (cause) {
    throw badOption("Cannot read --arguments: not JSON", 'Write for instance {"path":"/"}', cause);
  }
}

/** The tools of a file, of the app's server, or of what is known of the app. */
async function listedTools(
  { tools: file, liveTools, cluster }: ExplainCommand,
  app: KnownApp,
): Promise<readonly { readonly name: string; readonly definition?: string }[]> {
  if (file !== undefined) return (await readTools(file)).map(({ name }) => ({ name }));
  if (!liveTools || !cluster) return (app.tools ?? []).map((name) => ({ name }));
  const { tools, problem } = await cluster.tools(app.name);
  if (tools) return tools.map(({ name, sha256 }) => ({ name, definition: sha256 }));
  throw badOption(`The tools of ${app.name} are not known: ${problem}`, "Name them with --tool");
}

function tableOf(explanations: readonly Explanation[]): string {
  const rows = explanations.map((explanation) => {
    const { what, decision } = explanation;
    const by = "by" in decision ? decision.by : undefined;
    return [
      what.kind === "tool" ? what.name : what.kind,
      decision.effect === "allow" ? "allow" : `deny: ${decision.because}`,
      by ? `${by.role} ${by.path} ${JSON.stringify(by.rule)}` : "",
      by ? `${by.file}:${by.line}` : "",
      nearestMiss(explanation) ?? "",
    ];
  });
  return formatTable(["Tool", "Answer", "Rule", "Place", "Nearest miss"], rows);
}

function print(text: string, host: PolicyHost): void {
  host.stdout.write(text.split("\n").map(visible).join("\n"));
}

function pairs(texts: readonly string[], option: string): [string, string][] {
  return texts.map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1) throw badOption(`Cannot read ${option} ${text}`, `Write ${option} key=value`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
}
