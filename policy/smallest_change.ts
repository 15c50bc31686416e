/**
 * The smallest change of rules that would turn an answer. Changes are tried, not guessed: each way
 * is followed step by step, with the policy asked after each, until its answer has turned.
 */
import { literalPattern } from "./_literal_pattern.ts";
import {
  listOf,
  nameOf,
  withLabelValue,
  withName,
  withoutDemand,
  withoutRule,
} from "./_role_edits.ts";
import { type Ask, decide } from "./ask.ts";
import { compilePolicy } from "./compile_policy.ts";
import type { Decision, RuleRef } from "./decision.ts";
import { PolicyError } from "./error.ts";
import { allowsApp, type AppFacts, labelValue, valueFits } from "./labels.ts";
import type { Position } from "./problem.ts";
import type { Role } from "./role.ts";
import { expandTemplate } from "./template.ts";

export interface ChangeStep {
  /** What to do, as a sentence without its end. */
  readonly message: string;
  readonly at: Position | undefined;
}

/** Roles that are tried as the one to change, and steps on one way. */
const ROLE_LIMIT = 50;
const STEP_LIMIT = 8;

/** The steps that turn the answer, in order; `undefined` where none of the known ways does. */
export function smallestChange(
  roles: readonly Role[],
  ask: Ask,
): readonly ChangeStep[] | undefined {
  const start: State = { roles: [...new Set(roles)], app: ask.app, steps: [] };
  const answer = answerTo(start, ask);
  if (!answer) return undefined;
  if (answer.effect === "allow") return closing(start, ask, answer.by);
  const ways = start.roles.slice(0, ROLE_LIMIT).map((role) => opening(start, ask, role.name));
  return ways.filter((way) => way !== undefined)
    .reduce<readonly ChangeStep[] | undefined>(
      (best, way) => best && best.length <= way.length ? best : way,
      undefined,
    );
}

interface State {
  readonly roles: readonly Role[];
  readonly app: AppFacts;
  readonly steps: readonly ChangeStep[];
}

function answerTo({ roles, app }: State, { subject, what }: Ask): Decision | undefined {
  try {
    return decide(compilePolicy(roles, subject, app), what);
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

/** Turns a denial by changing what stands in the way, and letting the role `name` allow it. */
function opening(start: State, ask: Ask, name: string): readonly ChangeStep[] | undefined {
  let state: State | undefined = start;
  for (let step = 0; state && step < STEP_LIMIT; step++) {
    const answer = answerTo(state, ask);
    if (!answer) return undefined;
    if (answer.effect === "allow") return state.steps;
    state = nextStep(state, ask, name, answer);
  }
  return undefined;
}

function nextStep(
  state: State,
  ask: Ask,
  name: string,
  answer: Decision & { effect: "deny" },
): State | undefined {
  switch (answer.because) {
    case "denied_by_rule":
      return edit(state, answer.by, (role) => withoutRule(role, answer.by.path), {
        message: `remove ${answer.by.path} ${
          JSON.stringify(answer.by.rule)
        } from role "${answer.by.role}"`,
        at: answer.by,
      });
    case "session_mfa_required":
    case "trusted_device_required": {
      const demand = answer.because === "session_mfa_required" ? "sessionMfa" : "trustedDevice";
      return edit(state, answer.by, (role) => withoutDemand(role, demand), {
        message: `switch off ${answer.by.path} in role "${answer.by.role}"`,
        at: answer.by,
      });
    }
    case "no_match":
    case "condition_not_met":
    case "definition_not_pinned": {
      const role = state.roles.find((candidate) => candidate.name === name);
      if (!role) return undefined;
      const opens = allowsApp(role.allow, ask.subject, state.app, []) !== undefined;
      return opens ? grant(state, ask, role) : openApp(state, ask, role);
    }
  }
}

function grant(state: State, { what }: Ask, role: Role): State | undefined {
  const list = listOf(what);
  if (!list) return undefined;
  const name = nameOf(what);
  const rule = JSON.stringify(literalPattern(name));
  return edit(state, { role: role.name }, (r) => withName(r, "allow", list, name), {
    message: `add ${rule} to spec.allow.mcp.${list} of role "${role.name}"`,
    at: role.allow[list]?.[0]?.ref ?? role.at,
  });
}

/** One label after the other, until the role opens the app. */
function openApp(state: State, { subject }: Ask, role: Role): State | undefined {
  const { app } = state;
  for (const label of role.allow.labels?.labels ?? []) {
    const value = labelValue(label, subject, app);
    const key = expandTemplate(label.key, subject.traits).values[0];
    if (value === undefined) {
      const wanted = label.values.find(({ pattern }) => pattern?.kind === "literal")?.pattern
        ?.source;
      if (key === undefined || wanted === undefined) return undefined;
      return {
        ...state,
        app: { ...app, labels: { ...app.labels, [key]: wanted } },
        steps: [...state.steps, {
          message: `give app ${app.name} the label ${key}: ${wanted}`,
          at: label.ref,
        }],
      };
    }
    if (valueFits(label, value, subject, [])) continue;
    return edit(state, { role: role.name }, (r) => withLabelValue(r, label, value), {
      message: `add ${JSON.stringify(value)} to ${label.ref.path} of role "${role.name}"`,
      at: label.ref,
    });
  }
  return undefined;
}

/** Turns an answer that allows: the rule goes if it says no more, else the name is denied. */
function closing(start: State, ask: Ask, by: RuleRef): readonly ChangeStep[] | undefined {
  const role = start.roles.find((candidate) => candidate.name === by.role);
  const list = listOf(ask.what);
  if (!role) return undefined;
  if (!list) return takeRoles(start, ask);
  const name = nameOf(ask.what);
  const text = literalPattern(name);
  if (by.rule === text && by.path.startsWith("spec.allow.mcp.")) {
    const removed = edit(start, by, (r) => withoutRule(r, by.path), {
      message: `remove ${by.path} ${JSON.stringify(by.rule)} from role "${by.role}"`,
      at: by,
    });
    if (removed && answerTo(removed, ask)?.effect === "deny") return removed.steps;
  }
  const denied = edit(start, by, (r) => withName(r, "deny", list, name), {
    message: `add ${JSON.stringify(text)} to spec.deny.mcp.${list} of role "${by.role}"`,
    at: role.deny[list]?.[0]?.ref ?? role.at,
  });
  return denied && answerTo(denied, ask)?.effect === "deny" ? denied.steps : undefined;
}

/** An app is closed by taking away every role that opens it. */
function takeRoles(start: State, ask: Ask): readonly ChangeStep[] | undefined {
  let state = start;
  for (let step = 0; step < STEP_LIMIT; step++) {
    const answer = answerTo(state, ask);
    if (answer?.effect !== "allow") return answer && state.steps;
    const { role, file, line, column } = answer.by;
    const message = `take role "${role}" from ${ask.subject.name}`;
    state = {
      ...state,
      roles: state.roles.filter(({ name }) => name !== role),
      steps: [...state.steps, { message, at: { file, line, column } }],
    };
  }
  return undefined;
}

function edit(
  state: State,
  { role: name }: { readonly role: string },
  change: (role: Role) => Role,
  step: ChangeStep,
): State | undefined {
  const roles = state.roles.map((role) => role.name === name ? change(role) : role);
  const { file, line, column } = step.at ?? { file: "", line: 0, column: 0 };
  const at = step.at && { file, line, column };
  return { ...state, roles, steps: [...state.steps, { message: step.message, at }] };
}
