// What a tool's inputSchema says for certain about a value inside the arguments. A schema may say
// far more than is read here; whatever is not understood makes the answer "anything".

type SchemaObject = Readonly<Record<string, unknown>>;

export type Step = string | number;

/** Types of JSON, with integers counted as numbers. */
export type JsonType = "string" | "number" | "boolean" | "object" | "array" | "null";

/** What may stand somewhere. */
export type Possible =
  /** The schema leaves it open, or is not understood. */
  | { readonly kind: "anything" }
  /** There can be no value. */
  | { readonly kind: "nothing" }
  | { readonly kind: "types"; readonly types: ReadonlySet<JsonType>; readonly values?: Values };

/** The only values that there can be, where the schema counts them up. */
export type Values = readonly unknown[];

const ANYTHING: Possible = { kind: "anything" };
const NOTHING: Possible = { kind: "nothing" };

/** Keywords that could add to, or take from, what the others say. */
const OPEN = [
  "$dynamicRef",
  "allOf",
  "not",
  "if",
  "patternProperties",
  "propertyNames",
  "dependentSchemas",
  "unevaluatedProperties",
];

/** References that are followed on one way, so that a circle ends. */
const MAX_REFERENCES = 16;

/** What may stand at a path of the arguments. */
export function possibleAt(schema: unknown, path: readonly Step[]): Possible {
  return at(schema, path, { root: schema, references: 0 });
}

interface Origin {
  readonly root: unknown;
  readonly references: number;
}

function at(schema: unknown, path: readonly Step[], origin: Origin): Possible {
  if (!isObject(schema) || OPEN.some((key) => Object.hasOwn(schema, key))) return ANYTHING;
  // A schema with a name of its own is the root of its references.
  if (schema !== origin.root && Object.hasOwn(schema, "$id")) return ANYTHING;
  if (Object.hasOwn(schema, "$ref")) {
    const target = resolve(schema["$ref"], origin.root);
    if (target === undefined || origin.references >= MAX_REFERENCES) return ANYTHING;
    return at(target, path, { ...origin, references: origin.references + 1 });
  }
  for (const key of ["anyOf", "oneOf"]) {
    const choices = schema[key];
    if (choices === undefined) continue;
    if (!Array.isArray(choices)) return ANYTHING;
    return either(choices.map((choice) => at(choice, path, origin)));
  }
  const [step, ...rest] = path;
  if (step === undefined) return typesOf(schema);
  if (typeof step === "number") {
    if (Object.hasOwn(schema, "prefixItems") || !isObject(schema["items"])) return ANYTHING;
    return at(schema["items"], rest, origin);
  }
  const properties = schema["properties"];
  if (properties !== undefined && !isObject(properties)) return ANYTHING;
  if (properties && Object.hasOwn(properties, step)) return at(properties[step], rest, origin);
  return schema["additionalProperties"] === false ? NOTHING : ANYTHING;
}

/** A schema in the same document; no other is ever fetched. */
function resolve(reference: unknown, root: unknown): unknown {
  if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) return undefined;
  let found = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    // RFC 6901 §4.
    const key = decode(part)?.replaceAll("~1", "/").replaceAll("~0", "~");
    if (key === undefined || !isObject(found) || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function either(choices: readonly Possible[]): Possible {
  const types = new Set<JsonType>();
  const values: unknown[] = [];
  let counted = true;
  for (const choice of choices) {
    if (choice.kind === "anything") return ANYTHING;
    if (choice.kind === "nothing") continue;
    for (const type of choice.types) types.add(type);
    if (choice.values) values.push(...choice.values);
    else counted = false;
  }
  if (types.size === 0) return NOTHING;
  return { kind: "types", types, ...(counted && { values }) };
}

function typesOf(schema: SchemaObject): Possible {
  const given = schema["const"] !== undefined ? [schema["const"]] : schema["enum"];
  if (Array.isArray(given)) {
    return { kind: "types", types: new Set(given.map(typeOf)), values: given };
  }
  const { type } = schema;
  const names = typeof type === "string" ? [type] : type;
  if (!Array.isArray(names) || names.length === 0) return ANYTHING;
  const types = names.map((name) => TYPES.get(name));
  return types.includes(undefined)
    ? ANYTHING
    : { kind: "types", types: new Set(types.filter((found) => found !== undefined)) };
}

const TYPES: ReadonlyMap<unknown, JsonType> = new Map([
  ["string", "string"],
  ["number", "number"],
  ["integer", "number"],
  ["boolean", "boolean"],
  ["object", "object"],
  ["array", "array"],
  ["null", "null"],
]);

function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" ? type : "object";
}

function isObject(value: unknown): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
