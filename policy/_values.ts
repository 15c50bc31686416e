/** The values of expressions. A value that does not fit is odd, and so is all that rests on it. */
import type { Operator } from "./expression.ts";
import { foldName } from "./names/mod.ts";

export type Scalar = string | number | boolean;
export type Value = Scalar | readonly Scalar[] | null | undefined | typeof ODD;

/** A value that does not fit where it stands; it spreads, and ends as "cannot tell". */
export const ODD = Symbol("odd");

/** The argument at a path; own properties only, so that `constructor` is nothing special. */
export function valueAt(args: unknown, path: readonly (string | number)[]): Value {
  let at: unknown = args;
  for (const step of path) {
    if (at === undefined || at === null) return undefined;
    if (typeof step === "number") {
      if (!Array.isArray(at)) return ODD;
      at = at[step];
    } else {
      if (typeof at !== "object" || Array.isArray(at)) return ODD;
      // Servers that ignore case (CVE-2026-27896) may take the other one.
      if (hasCaseTwin(at, step)) return ODD;
      at = Object.hasOwn(at, step) ? (at as Record<string, unknown>)[step] : undefined;
    }
  }
  if (at === undefined || at === null || isScalar(at)) return at;
  return Array.isArray(at) && at.every(isScalar) ? at : ODD;
}

/** Whether another key of the object differs from the name in case only. */
function hasCaseTwin(object: object, name: string): boolean {
  const folded = foldName(name);
  return Object.keys(object).some((key) => key !== name && foldName(key) === folded);
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === "string" || typeof value === "boolean" ||
    (typeof value === "number" && isExact(value));
}

/** Past 2^53 neighbouring integers read as the same number, so none of them can be judged. */
function isExact(value: number): boolean {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** A condition's value; an argument that is missing is false. */
export function truth(value: Value): boolean | undefined {
  if (typeof value === "boolean") return value;
  return value === undefined || value === null ? false : undefined;
}

/** A comparison, if the values can be compared. */
export function compare(operator: Operator, left: Value, right: Value): Value {
  if (left === ODD || right === ODD || isList(left) || isList(right)) return ODD;
  if (operator === "==" || operator === "!=") {
    const same = equal(left ?? undefined, right ?? undefined);
    return same === undefined ? ODD : same === (operator === "==");
  }
  if (typeof left !== "number" || typeof right !== "number") return ODD;
  switch (operator) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
  }
}

/** A missing value reads as empty text; values of different types cannot be told apart safely. */
function equal(left: Scalar | undefined, right: Scalar | undefined): boolean | undefined {
  if (left === undefined || right === undefined) {
    const other = left ?? right;
    return other === undefined || other === "";
  }
  return typeof left === typeof right ? left === right : undefined;
}

/** Applies a function to lists; what is no list makes the answer odd. */
export function withLists(
  values: readonly Value[],
  apply: (lists: readonly [readonly Scalar[], readonly Scalar[]]) => Value,
): Value {
  const lists = values.map(asList);
  if (lists.some((list) => list === undefined)) return ODD;
  return apply([lists[0] ?? [], lists[1] ?? []]);
}

/** Applies a function to a list of texts, or of one text. */
export function withTexts(value: Value, apply: (texts: readonly string[]) => Value): Value {
  const list = asList(value);
  return list !== undefined && isTexts(list) ? apply(list) : ODD;
}

function asList(value: Value): readonly Scalar[] | undefined {
  if (value === ODD) return undefined;
  if (value === undefined || value === null) return [];
  return isList(value) ? value : [value];
}

function isList(value: Value): value is readonly Scalar[] {
  return Array.isArray(value);
}

function isTexts(list: readonly Scalar[]): list is readonly string[] {
  return list.every((item) => typeof item === "string");
}

/** Whether a list has an item; a missing one is the empty text. */
export function containsItem(list: readonly Scalar[], item: Value): Value {
  if (item === ODD || isList(item)) return ODD;
  return membership(list)(item ?? "");
}

/** Whether the lists have an item in common. */
export function intersects(items: readonly Scalar[], list: readonly Scalar[]): Value {
  const has = membership(list);
  let common: Value = false;
  for (const item of items) {
    const found = has(item);
    if (found === true) return true;
    if (found === ODD) common = ODD;
  }
  return common;
}

/** Whether every item is in the list. */
export function subset(items: readonly Scalar[], list: readonly Scalar[]): Value {
  const has = membership(list);
  let all: Value = true;
  for (const item of items) {
    const found = has(item);
    if (found === false) return false;
    if (found === ODD) all = ODD;
  }
  return all;
}

/** As with `==`: what is not in a list whose items have other types may be in it to a server. */
function membership(list: readonly Scalar[]): (item: Scalar) => Value {
  const known = new Set(list);
  const types = new Set(list.map((item) => typeof item));
  return (item) => {
    if (known.has(item)) return true;
    return types.size === 0 || (types.size === 1 && types.has(typeof item)) ? false : ODD;
  };
}
