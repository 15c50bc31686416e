import type { Operator, ValueType } from "./expression.ts";
import type { Token } from "./_tokens.ts";

export function isOperator(text: string): text is Operator {
  return text === "==" || text === "!=" || text === "<" || text === "<=" || text === ">" ||
    text === ">=";
}

/** Whether an operator compares values of two types; as in the original, lists are not compared. */
export function comparable(operator: Operator, left: ValueType, right: ValueType): boolean {
  if (left === "list" || right === "list") return false;
  if (left !== right && left !== "any" && right !== "any") return false;
  if (operator === "==" || operator === "!=") {
    // As in the original, conditions are not compared with each other; arguments may be.
    return left !== "boolean" || right !== "boolean";
  }
  return [left, right].every((type) => type === "number" || type === "any");
}

/** A type, in words. */
export function typeName(type: ValueType): string {
  switch (type) {
    case "string":
      return "text";
    case "list":
      return "a list";
    case "number":
      return "a number";
    case "boolean":
      return "a condition";
    case "any":
      return "an argument";
  }
}

/** A token, in words. */
export function show(token: Token): string {
  return token.kind === "end" ? "end" : JSON.stringify(token.text);
}
