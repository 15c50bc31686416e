// Lint of roles: what is certain to be a mistake or worth knowing. Emptiness and inclusion are
// decided exactly; what could not be decided, or depends on a principal's traits, is not reported.
import type { AppFacts } from "../labels.ts";
import { namespaceFits } from "../labels.ts";
import type { Conditions, LabelRule, Role, ToolRule } from "../role.ts";
import type { CatalogueTool } from "./_arguments.ts";
import { misfits } from "./_arguments.ts";
import {
  covered,
  globInRegex,
  grantsEverything,
  type ListName,
  looseAlternation,
  neverMatches,
  quoted,
  regexInGlob,
  shadowed,
  staticRules,
} from "./_patterns.ts";
import { type Finding, finding } from "./finding.ts";

export interface LintOptions {
  /** All apps there are; without them labels are not judged. */
  readonly apps?: readonly AppFacts[];
  /** All tools of all servers; without them tool names are not judged. */
  readonly tools?: readonly CatalogueTool[];
  /** All bots; without them nobody is known to hold a role, or not to. */
  readonly bots?: readonly { readonly name: string; readonly roles: readonly string[] }[];
}

const LISTS: readonly { list: ListName; what: string }[] = [
  { list: "tools", what: "tool" },
  { list: "resources", what: "resource" },
  { list: "prompts", what: "prompt" },
];

/** Looks at the roles of one cluster. Findings come in the order of the files. */
export function lintRoles(roles: readonly Role[], options: LintOptions = {}): Finding[] {
  const found = roles.flatMap((role) => [
    ...lintLists(role),
    ...lintApps(role, options),
    ...lintOptions(role),
    ...lintCatalogue(role, options),
    ...lintHolders(role, options),
  ]);
  return found.sort((a, b) =>
    compareText(a.at.file, b.at.file) || a.at.line - b.at.line || a.at.column - b.at.column
  );
}

function lintLists(role: Role): Finding[] {
  return LISTS.flatMap(({ list, what }) => {
    const allow = staticRules(role.allow[list]);
    const deny = staticRules(role.deny[list]);
    const both = [...allow, ...deny];
    // Only the role's own denials are certain: a session may be without the bot's other roles.
    const denials = namespaceFits(role.deny) ? deny : [];
    const shape = list === "tools" ? [...regexInGlob(both), ...globInRegex(both)] : [];
    return [
      ...neverMatches(both, what),
      ...shadowed(allow, denials),
      ...covered(allow),
      ...covered(deny),
      ...grantsEverything(allow, list),
      ...looseAlternation(both),
      ...shape,
    ];
  });
}

function lintApps(role: Role, { apps }: LintOptions): Finding[] {
  const found: Finding[] = [];
  const { allow, deny } = role;
  if (!opensSome(allow)) {
    const [rule] = [...allow.tools, ...allow.resources ?? [], ...allow.prompts ?? []];
    if (rule) {
      found.push(
        finding(
          "no-app",
          rule.ref,
          `Role ${quoted(role.name)} opens no app, so it allows nothing`,
          {
            hint: "name the app's labels under spec.allow.app_labels",
          },
        ),
      );
    }
  }
  for (const side of [allow, deny]) {
    for (const label of side.labels?.labels ?? []) {
      found.push(...lintLabel(label, apps));
    }
  }
  return found;
}

function lintOptions({ allow, name, options: { repeats } }: Role): Finding[] {
  // What one role forbids holds for the calls that others allow.
  if (!repeats || repeats.mode === "never" || opensSome(allow)) return [];
  return [
    finding(
      "repeats-nothing",
      repeats.by,
      `Role ${quoted(name)} opens no app, so nothing repeats`,
      {
        hint: "set mcp_repeat_calls in a role that opens the app whose calls are meant",
      },
    ),
  ];
}

function opensSome(allow: Conditions): boolean {
  const { labels, expression } = allow;
  return namespaceFits(allow) && ((labels?.labels.length ?? 0) > 0 || expression !== undefined);
}

function lintLabel({ ref, key, values }: LabelRule, apps: LintOptions["apps"]): Finding[] {
  if (key.kind !== "literal") return [];
  if (values.length === 0) {
    return [
      finding("never-matches", ref, `The label ${quoted(key.text)} has no values, so no app fits`, {
        hint: "give it a value, or '*' for any",
      }),
    ];
  }
  const rules = staticRules(values);
  const found = [...looseAlternation(rules), ...covered(rules)];
  if (!apps || key.text === "*") return found;
  const present = apps.filter(({ labels }) => Object.hasOwn(labels, key.text));
  if (present.length === 0) {
    return [...found, finding("unknown-label", ref, `No app has a label ${quoted(key.text)}`)];
  }
  for (const { pattern, ref: at } of rules) {
    if (present.some(({ labels }) => pattern.kind === "any" || pattern.test(labels[key.text]!))) {
      continue;
    }
    const values = [...new Set(present.map(({ labels }) => labels[key.text]!))].sort();
    found.push(
      finding(
        "unknown-label",
        at,
        `No app has a label ${quoted(key.text)} that fits ${quoted(pattern.source)}`,
        {
          hint: `apps have ${values.slice(0, 5).map(quoted).join(", ")}`,
        },
      ),
    );
  }
  return found;
}

function lintCatalogue(role: Role, { tools }: LintOptions): Finding[] {
  if (!tools) return [];
  return [...role.allow.tools, ...role.deny.tools].flatMap((rule) => lintTool(rule, tools));
}

function lintTool(
  { pattern, ref, where }: ToolRule,
  tools: readonly CatalogueTool[],
): Finding[] {
  if (!pattern) return [];
  const matched = tools.filter(({ name }) => pattern.test(name));
  if (matched.length === 0) {
    return [
      finding(
        "unknown-tool",
        ref,
        `No server offers a tool that ${quoted(pattern.source)} matches`,
      ),
    ];
  }
  if (!where) return [];
  const names = matched.slice(0, 3).map(({ name }) => quoted(name)).join(", ");
  return misfits(where.root, matched).map(({ kind, message }) =>
    finding(kind === "unknown" ? "unknown-argument" : "mistyped-argument", ref, message, {
      hint: `the rule is for ${names}; see what its inputSchema says`,
      witness: matched[0]!.name,
    })
  );
}

function lintHolders(role: Role, { bots }: LintOptions): Finding[] {
  if (!bots || bots.some((bot) => bot.roles.includes(role.name))) return [];
  return [finding("unheld-role", role.at, `No bot holds role ${quoted(role.name)}`)];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export type { CatalogueTool };
