/**
 * Expressions against facts. Labels and traits are known when a policy is compiled, so all that
 * rests on them is evaluated once and what fails, fails there. What rests on a call's arguments
 * becomes a function that answers true, false or "cannot tell", never throws, and is linear.
 */
import { localPart } from "./_email.ts";
import { foldCase } from "./_fold_case.ts";
import {
  compare,
  containsItem,
  intersects,
  ODD,
  subset,
  truth,
  type Value,
  valueAt,
  withLists,
  withTexts,
} from "./_values.ts";
import type { Expression, ExpressionNode } from "./expression.ts";
import { compilePattern, type Pattern, regexpReplace } from "./pattern/mod.ts";
import type { Subject } from "./role.ts";

export interface Facts {
  readonly subject: Subject;
  readonly labels: Readonly<Record<string, string>>;
}

/** A condition on a call's arguments; `undefined` means that they are not of the expected shape. */
export type Condition = (args: unknown) => boolean | undefined;

export type BindResult =
  | { readonly ok: true; readonly kind: "constant"; readonly value: boolean }
  | { readonly ok: true; readonly kind: "condition"; readonly test: Condition }
  | { readonly ok: false; readonly message: string; readonly offset: number };

/** Evaluates what labels and traits decide; the rest waits for arguments. */
export function bindExpression(expression: Expression, facts: Facts): BindResult {
  let bound: Bound;
  try {
    bound = bind(expression.root, facts);
  } catch (error) {
    if (!(error instanceof EvaluationFailure)) throw error;
    return { ok: false, message: error.message, offset: error.offset };
  }
  if (bound.run === undefined) {
    return typeof bound.value === "boolean"
      ? { ok: true, kind: "constant", value: bound.value }
      : { ok: false, message: "The expression is not true or false", offset: 0 };
  }
  const { run } = bound;
  return {
    ok: true,
    kind: "condition",
    test(args) {
      try {
        return truth(run(args));
      } catch {
        // Only an exotic object gets here, one whose properties throw; JSON has none.
        return undefined;
      }
    },
  };
}

type Run = (args: unknown) => Value;

/** Known already, or a function of the arguments. */
type Bound =
  | { readonly value: Value; readonly run?: undefined }
  | { readonly value?: undefined; readonly run: Run };

class EvaluationFailure extends Error {
  constructor(message: string, readonly offset: number) {
    super(message);
  }
}

function bind(node: ExpressionNode, facts: Facts): Bound {
  switch (node.kind) {
    case "constant":
      return { value: node.value };
    case "label":
      return { value: Object.hasOwn(facts.labels, node.key) ? facts.labels[node.key] ?? "" : "" };
    case "trait": {
      const { traits } = facts.subject;
      return { value: Object.hasOwn(traits, node.name) ? traits[node.name] ?? [] : [] };
    }
    case "user_name":
      return { value: facts.subject.name };
    case "argument":
      return { run: (args) => valueAt(args, node.path) };
    case "not":
      return lift([bind(node.of, facts)], ([of]) => {
        const known = truth(of);
        return known === undefined ? ODD : !known;
      });
    case "and":
    case "or":
      return bindJunction(node.kind === "and", node.left, node.right, facts);
    case "compare": {
      const parts = [bind(node.left, facts), bind(node.right, facts)];
      return lift(parts, ([left, right]) => compare(node.operator, left, right));
    }
    case "call":
      return bindCall(node, facts);
  }
}

/** `&&` and `||` stop at the side that decides, so what stands after it cannot fail. */
function bindJunction(
  and: boolean,
  leftNode: ExpressionNode,
  rightNode: ExpressionNode,
  facts: Facts,
): Bound {
  const left = bind(leftNode, facts);
  if (left.run === undefined) {
    return truth(left.value) === !and ? { value: !and } : bind(rightNode, facts);
  }
  const right = bind(rightNode, facts);
  return {
    run(args) {
      const first = truth(left.run(args));
      if (first !== and) return first === undefined ? ODD : first;
      return truth(force(right, args)) ?? ODD;
    },
  };
}

function bindCall(node: ExpressionNode & { kind: "call" }, facts: Facts): Bound {
  const args = node.args.map((arg) => bind(arg, facts));
  switch (node.name) {
    case "contains":
      return lift(args, ([list, item]) => withLists([list], ([l]) => containsItem(l, item)));
    case "contains_any":
      return lift(args, ([a, b]) => withLists([a, b], ([l, i]) => intersects(i, l)));
    case "contains_all":
      return lift(
        args,
        ([a, b]) => withLists([a, b], ([l, i]) => i.length === 0 ? false : subset(i, l)),
      );
    case "regexp.match": {
      const pattern = patternOf(node, 1, args);
      return lift(args, ([list]) => withTexts(list, (texts) => texts.some((t) => pattern.test(t))));
    }
    case "regexp.match_all": {
      const pattern = patternOf(node, 1, args);
      return lift(
        args,
        ([list]) =>
          withTexts(list, (texts) => texts.length > 0 && texts.every((t) => pattern.test(t))),
      );
    }
    case "regexp.replace": {
      const replace = replacer(node, args);
      return lift(
        args,
        ([list]) =>
          withTexts(list, (texts) => texts.map(replace).filter((text) => text !== undefined)),
      );
    }
    case "email.local":
      return bindEmailLocal(node, args);
    case "strings.upper":
    case "strings.lower": {
      const to = node.name === "strings.upper" ? "upper" : "lower";
      return lift(args, ([list]) => withTexts(list, (texts) => texts.map((t) => foldCase(t, to))));
    }
    case "labels_matching": {
      const pattern = patternOf(node, 0, args);
      const keys = Object.keys(facts.labels).filter((key) => pattern.test(key)).sort();
      return { value: keys.map((key) => facts.labels[key] ?? "") };
    }
    default:
      return lift(args, (items) => items.every((i) => typeof i === "string") ? items : ODD);
  }
}

function bindEmailLocal(node: ExpressionNode, args: readonly Bound[]): Bound {
  const bound = lift(args, ([list]) =>
    withTexts(list, (texts) => {
      const locals = texts.map(localPart).filter((local) => local !== undefined);
      return locals.length === texts.length ? locals : ODD;
    }));
  if (bound.value === ODD) {
    throw new EvaluationFailure("email.local: a value is no address", node.offset);
  }
  return bound;
}

/** Applies a function now if all parts are known, else when the arguments are. */
function lift(parts: readonly Bound[], apply: (values: readonly Value[]) => Value): Bound {
  if (parts.every((part) => part.run === undefined)) {
    return { value: apply(parts.map((part) => part.value)) };
  }
  return { run: (args) => apply(parts.map((part) => force(part, args))) };
}

function force(bound: Bound, args: unknown): Value {
  return bound.run === undefined ? bound.value : bound.run(args);
}

function patternOf(
  node: ExpressionNode & { kind: "call" },
  index: number,
  args: readonly Bound[],
): Pattern {
  const source = args[index]?.value;
  if (typeof source !== "string") {
    throw new EvaluationFailure("A pattern must be text", node.offset);
  }
  const compiled = compilePattern(source);
  if (compiled.ok) return compiled.pattern;
  throw new EvaluationFailure(
    `Pattern ${JSON.stringify(source)}: ${compiled.message}`,
    node.args[index]?.offset ?? node.offset,
  );
}

function replacer(
  node: ExpressionNode & { kind: "call" },
  args: readonly Bound[],
): (text: string) => string | undefined {
  const [source, replacement] = [args[1]?.value, args[2]?.value];
  if (typeof source !== "string" || typeof replacement !== "string") {
    throw new EvaluationFailure("A pattern must be text", node.offset);
  }
  const compiled = regexpReplace(source, replacement);
  if (compiled.ok) return compiled.replace;
  throw new EvaluationFailure(
    `Pattern ${JSON.stringify(source)}: ${compiled.message}`,
    node.args[1]?.offset ?? node.offset,
  );
}
