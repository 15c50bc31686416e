// Whether a condition on a call's arguments speaks of something that no tool takes.
import type { ExpressionNode } from "../expression.ts";

/** A tool that a server offers, as its `tools/list` shows it. */
export interface CatalogueTool {
  readonly name: string;
  /** The JSON Schema of its arguments, if known. */
  readonly inputSchema?: unknown;
}

export interface ArgumentUse {
  readonly path: readonly (string | number)[];
  readonly offset: number;
}

/** Every argument that an expression names. */
export function argumentsOf(node: ExpressionNode): ArgumentUse[] {
  switch (node.kind) {
    case "argument":
      return [{ path: node.path, offset: node.offset }];
    case "not":
      return argumentsOf(node.of);
    case "and":
    case "or":
    case "compare":
      return [...argumentsOf(node.left), ...argumentsOf(node.right)];
    case "call":
      return node.args.flatMap(argumentsOf);
    default:
      return [];
  }
}

/**
 * Whether a schema proves that there is nothing at a path: a closed object without the property.
 * Whatever else a schema may say, the answer is no.
 */
export function excludes(schema: unknown, path: readonly (string | number)[]): boolean {
  const [step, ...rest] = path;
  if (step === undefined || !isObject(schema) || OPEN.some((key) => key in schema)) return false;
  if (typeof step === "number") return false;
  const properties = schema["properties"];
  if (isObject(properties) && Object.hasOwn(properties, step)) {
    return excludes(properties[step], rest);
  }
  return schema["additionalProperties"] === false &&
    (properties === undefined || isObject(properties));
}

/** Keywords that could bring in a property from elsewhere. */
const OPEN = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties"];

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
