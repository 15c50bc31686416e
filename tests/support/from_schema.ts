// Values from a JSON Schema, as far as the authority's API uses it: such as fit, and such as nearly
// do, with one thing in them that is not as the schema says.
import fc from "fast-check";

export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Values that fit; `seeds` are texts that mean something where they stand. */
export function fitting(schema: JsonSchema, seeds: readonly string[] = []): fc.Arbitrary<unknown> {
  const of = (each: JsonSchema) => fitting(each, seeds);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map(of));
  switch (schema.type) {
    case "string": {
      if (schema.format === "uuid") return fc.uuid();
      if (schema.pattern) return fc.stringMatching(new RegExp(schema.pattern));
      const { minLength = 0, maxLength = 100 } = schema;
      const text = fc.string({ unit: "binary", minLength, maxLength: Math.min(maxLength, 100) });
      return seeds.length > 0
        ? fc.oneof(text, { arbitrary: fc.constantFrom(...seeds), weight: 4 })
        : text;
    }
    case "integer":
    case "number":
      return fc.integer({
        min: schema.minimum ?? (schema.exclusiveMinimum ?? -1) + 1,
        max: Math.min(schema.maximum ?? 1000, 2 ** 31 - 1),
      });
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(of(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      });
    case "object": {
      const { additionalProperties, properties = {}, required = [] } = schema;
      const named = fc.record(
        Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, of(each)])),
        { requiredKeys: required.filter((name) => name in properties) },
      );
      if (typeof additionalProperties !== "object") return named;
      return fc.tuple(named, fc.dictionary(fc.string(), of(additionalProperties), { maxKeys: 3 }))
        .map(([own, more]) => ({ ...more, ...own }));
    }
  }
  return fc.jsonValue();
}

/** What fits but for one member that is missing, additional, or something else. */
export function nearlyFitting(schema: JsonSchema, seeds: readonly string[]): fc.Arbitrary<unknown> {
  return fc.tuple(
    fitting(schema, seeds),
    fc.constantFrom("missing", "additional", "other"),
    fc.nat(),
    fc.jsonValue(),
  ).map(([value, how, at, other]) => {
    if (typeof value !== "object" || value === null) return other;
    const copy = { ...value } as Record<string, unknown>;
    const names = Object.keys(copy);
    const name = names[at % Math.max(names.length, 1)] ?? "more";
    if (how === "missing") delete copy[name];
    else copy[how === "other" ? name : `${name}2`] = other;
    return copy;
  });
}
