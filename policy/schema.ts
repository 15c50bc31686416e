// The JSON Schema of a role, for editors. It is made from the lists that the parser reads by, and
// says what those can say: which fields there are, and the shape of their values. Patterns,
// templates and expressions are the parser's to judge.
import {
  ADMIN_RESOURCES,
  ADMIN_VERBS,
  AUTHORITY_FIELDS,
  METADATA_FIELDS,
  OPTION_FIELDS,
  OTHER_ADMIN_VERBS,
  OTHER_CONDITION_FIELDS,
  OTHER_OPTION_FIELDS,
  RESERVED_NAMES,
  ROLE_VERSIONS,
} from "./_known_fields.ts";
import { DEVICE_MODES, LOCK_MODES, MFA_OFF, MFA_ON, REPEAT_MODES } from "./_parse_options.ts";

export type Schema = { readonly [keyword: string]: unknown };

const TEXT: Schema = { type: "string" };
const STAR: Schema = { const: "*" };
const ANY: Schema = {};

/** The schema of one role document, in JSON Schema 2020-12. */
export function roleSchema(): Schema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Role",
    description: "What a bot that holds the role may reach: apps by their labels, and their tools",
    ...closed({
      kind: { const: "role" },
      version: { enum: [...ROLE_VERSIONS] },
      sub_kind: ANY,
      metadata: metadata(),
      spec: orNull(closed({
        allow: orNull(conditions("allow")),
        deny: orNull(conditions("deny")),
        options: orNull(options()),
      })),
    }),
    required: ["kind", "version", "metadata"],
  };
}

function metadata(): Schema {
  const others = METADATA_FIELDS.filter((name) => name !== "name" && name !== "description");
  return {
    ...closed({
      name: { type: "string", pattern: `^(?!(?:${[...RESERVED_NAMES].join("|")})$)[\\s\\S]*\\S` },
      description: orNull(TEXT),
      ...anything(others),
    }),
    required: ["name"],
  };
}

function conditions(side: "allow" | "deny"): Schema {
  const verb = side === "allow" ? "open" : "close";
  return closed({
    namespaces: orNull(listOf(TEXT)),
    app_labels: orNull({
      type: "object",
      description: `Labels of the apps to ${verb}: a value or a list of values, which are patterns`,
      additionalProperties: textOrList(),
      ...(side === "allow" && {
        properties: { "*": { anyOf: [STAR, { ...listOf(STAR), minItems: 1, maxItems: 1 }] } },
      }),
    }),
    app_labels_expression: orNull(TEXT),
    mcp: orNull(closed({
      tools: orNull(listOf({ anyOf: [described(TEXT, PATTERN_HELP), tool()] })),
      resources: orNull(listOf(described(TEXT, PATTERN_HELP))),
      prompts: orNull(listOf(described(TEXT, PATTERN_HELP))),
    })),
    rules: orNull(listOf(resourceRule())),
    ...anything([...AUTHORITY_FIELDS, ...OTHER_CONDITION_FIELDS]),
  });
}

/** Other resources are taken too, and have no effect. */
function resourceRule(): Schema {
  const verbs = [...ADMIN_VERBS, ...OTHER_ADMIN_VERBS, "*"];
  return {
    ...closed({
      resources: listOf(described(TEXT, `Such as ${ADMIN_RESOURCES.join(", ")}; * for all`)),
      verbs: listOf({ enum: verbs }),
    }),
    required: ["resources", "verbs"],
  };
}

const PATTERN_HELP = "A name in which * is any run of characters, or an expression from ^ to $";

function tool(): Schema {
  return {
    ...closed({
      name: described(TEXT, PATTERN_HELP),
      where: orNull(described(TEXT, 'A condition on the arguments: arguments.path == "x"')),
      sha256: orNull({ type: "string", pattern: "^[0-9A-Fa-f]{64}$" }),
    }),
    required: ["name"],
  };
}

function options(): Schema {
  const known: Record<(typeof OPTION_FIELDS)[number], Schema> = {
    max_session_ttl: described(TEXT, "A duration, such as 8h or 1h30m"),
    require_session_mfa: {
      anyOf: [
        { type: "boolean" },
        { type: "integer", minimum: 0, maximum: 5 },
        { type: "string", pattern: anyCase([...MFA_OFF, ...MFA_ON]) },
      ],
    },
    device_trust_mode: { enum: [...DEVICE_MODES] },
    lock: { enum: ["", ...LOCK_MODES] },
    mcp_repeat_calls: described(
      { enum: ["", ...REPEAT_MODES] },
      "Calls that may be made again when their outcome is unknown, by what the server claims",
    ),
  };
  const nullable = Object.entries(known).map(([name, schema]) => [name, orNull(schema)]);
  return closed({ ...Object.fromEntries(nullable), ...anything([...OTHER_OPTION_FIELDS]) });
}

/** Matches the words in any letter case, and the empty text. */
function anyCase(words: readonly string[]): string {
  const letters = (word: string) =>
    [...word].map((c) => c === "_" ? c : `[${c.toLowerCase()}${c.toUpperCase()}]`).join("");
  return `^(${["", ...words.map(letters)].join("|")})$`;
}

/** An object with these fields and no others. */
function closed(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: "object", additionalProperties: false, properties };
}

/** A field without a value counts as absent. */
function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: "null" }] };
}

function listOf(items: Schema): Schema {
  return { type: "array", items };
}

function textOrList(): Schema {
  return { anyOf: [TEXT, listOf(TEXT)] };
}

function described(schema: Schema, description: string): Schema {
  return { ...schema, description };
}

function anything(names: readonly string[]): Record<string, Schema> {
  return Object.fromEntries(names.map((name) => [name, ANY]));
}
