// Whether a condition on a call's arguments fits the tools that it is for.
import type { ExpressionNode, ValueType } from "../expression.ts";
import { FUNCTIONS } from "../_functions.ts";
import { type JsonType, type Possible, possibleAt, type Step } from "./_schema_types.ts";

/** A tool that a server offers, as its `tools/list` shows it. */
export interface CatalogueTool {
  readonly name: string;
  /** The JSON Schema of its arguments, if known. */
  readonly inputSchema?: unknown;
}

/** One place where an expression looks at an argument. */
interface Use {
  readonly path: readonly Step[];
  /** What the expression takes it for. */
  readonly as: ValueType;
  /** The text or number that it is compared with. */
  readonly constant?: string | number;
}

/** What is wrong with a condition for every one of some tools. */
export interface Misfit {
  readonly kind: "unknown" | "mistyped";
  /** Such as `files[0].name`. */
  readonly argument: string;
  readonly message: string;
}

/** Each argument that cannot be what the expression takes it for, whichever of the tools is called. */
export function misfits(root: ExpressionNode, tools: readonly CatalogueTool[]): Misfit[] {
  const found = new Map<string, Misfit>();
  for (const use of usesIn(root, "boolean")) {
    const judged = tools.map(({ inputSchema }) =>
      inputSchema === undefined ? undefined : misfit(use, possibleAt(inputSchema, use.path))
    );
    // One tool that it fits is reason enough for the condition.
    const [first] = judged;
    if (first && judged.every((each) => each !== undefined)) found.set(first.message, first);
  }
  return [...found.values()];
}

function usesIn(node: ExpressionNode, as: ValueType, constant?: string | number): Use[] {
  switch (node.kind) {
    case "argument":
      return [{ path: node.path, as, ...(constant !== undefined && { constant }) }];
    case "not":
      return usesIn(node.of, "boolean");
    case "and":
    case "or":
      return [...usesIn(node.left, "boolean"), ...usesIn(node.right, "boolean")];
    case "compare": {
      const { left, right, operator } = node;
      const ordered = operator !== "==" && operator !== "!=";
      const side = (of: ExpressionNode, other: ExpressionNode) =>
        usesIn(of, ordered ? "number" : other.type, ordered ? undefined : constantOf(other));
      return [...side(left, right), ...side(right, left)];
    }
    case "call": {
      const takes = FUNCTIONS[node.name]?.takes ?? [];
      return node.args.flatMap((arg, index) => usesIn(arg, takes[index] ?? takes.at(-1) ?? "any"));
    }
    default:
      return [];
  }
}

function constantOf(node: ExpressionNode): string | number | undefined {
  return node.kind === "constant" && typeof node.value !== "boolean" ? node.value : undefined;
}

/** Types of JSON that can be taken for a type of the language. A missing value can be for most. */
const FITTING: Readonly<Record<ValueType, readonly JsonType[] | undefined>> = {
  string: ["string"],
  // A text stands for a list of one.
  list: ["array", "string"],
  number: ["number"],
  boolean: ["boolean"],
  any: undefined,
};

const IN_WORDS: Readonly<Record<ValueType, string>> = {
  string: "a text",
  list: "a list",
  number: "a number",
  boolean: "true or false",
  any: "anything",
};

function misfit({ path, as, constant }: Use, possible: Possible): Misfit | undefined {
  if (possible.kind === "anything") return undefined;
  const argument = shown(path);
  if (possible.kind === "nothing") {
    return { kind: "unknown", argument, message: `There is no argument ${argument}` };
  }
  const { types, values } = possible;
  const fitting = FITTING[as];
  const real = [...types].filter((type) => type !== "null");
  if (fitting && real.length > 0 && !real.some((type) => fitting.includes(type))) {
    const is = real.join(" or ");
    return {
      kind: "mistyped",
      argument,
      message: `The argument ${argument} is of type ${is}, and is taken for ${IN_WORDS[as]}`,
    };
  }
  if (constant !== undefined && constant !== "" && values && !values.includes(constant)) {
    const known = values.slice(0, 5).map((value) => JSON.stringify(value)).join(", ");
    return {
      kind: "mistyped",
      argument,
      message: `The argument ${argument} is never ${
        JSON.stringify(constant)
      }: it is one of ${known}`,
    };
  }
  return undefined;
}

function shown(path: readonly Step[]): string {
  return path.map((step, index) =>
    typeof step === "number"
      ? `[${step}]`
      : /^[A-Za-z_]\w*$/.test(step)
      ? `${index > 0 ? "." : ""}${step}`
      : `[${JSON.stringify(step)}]`
  ).join("");
}
