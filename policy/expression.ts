/**
 * The predicate language of `app_labels_expression`, and of a tool's `where`, which may also speak
 * of the call's arguments. Types are checked here: what parses can be evaluated, and an expression
 * that cannot be a condition is refused when the role is stored.
 */
import { ExpressionParser } from "./_expression_parser.ts";
import { tokenize } from "./_tokens.ts";

export type ValueType = "string" | "list" | "number" | "boolean" | "any";

export type Operator = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** A part of an expression; `offset` is where it begins in the text. */
export type ExpressionNode =
  & { readonly offset: number; readonly type: ValueType }
  & (
    | { readonly kind: "constant"; readonly value: string | number | boolean }
    | { readonly kind: "label"; readonly key: string }
    | { readonly kind: "trait"; readonly name: string }
    | { readonly kind: "user_name" }
    /** A value inside the call's arguments; a number selects an item of a list. */
    | { readonly kind: "argument"; readonly path: readonly (string | number)[] }
    | { readonly kind: "not"; readonly of: ExpressionNode }
    | { readonly kind: "and" | "or"; readonly left: ExpressionNode; readonly right: ExpressionNode }
    | {
      readonly kind: "compare";
      readonly operator: Operator;
      readonly left: ExpressionNode;
      readonly right: ExpressionNode;
    }
    | { readonly kind: "call"; readonly name: string; readonly args: readonly ExpressionNode[] }
  );

export interface Expression {
  readonly text: string;
  readonly root: ExpressionNode;
  readonly usesArguments: boolean;
}

export type ExpressionResult =
  | { readonly ok: true; readonly expression: Expression }
  | {
    readonly ok: false;
    readonly message: string;
    readonly offset: number;
    readonly hint?: string;
  };

/** Longer expressions are refused. */
export const EXPRESSION_LIMIT = 16_384;

/** Reads an expression; only one for `arguments` may name them. */
export function parseExpression(text: string, scope: "labels" | "arguments"): ExpressionResult {
  if (text.length > EXPRESSION_LIMIT) {
    return { ok: false, message: "The expression is too long", offset: 0 };
  }
  const lexed = tokenize(text);
  if (!lexed.ok) return lexed;
  const parser = new ExpressionParser(lexed.tokens, scope);
  const root = parser.parse();
  if (!root) return { ok: false, ...parser.failure };
  return { ok: true, expression: { text, root, usesArguments: parser.usesArguments } };
}
