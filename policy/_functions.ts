import type { ValueType } from "./expression.ts";

export interface FunctionType {
  readonly takes: readonly ValueType[];
  /** The last parameter may repeat. */
  readonly variadic?: true;
  readonly gives: ValueType;
  /** One parameter is a pattern, which may not come from a call's arguments. */
  readonly pattern?: true;
  readonly signature: string;
}

/** The functions of the predicate language. */
export const FUNCTIONS: Readonly<Record<string, FunctionType>> = {
  contains: { takes: ["list", "any"], gives: "boolean", signature: "(list, item)" },
  contains_any: { takes: ["list", "list"], gives: "boolean", signature: "(list, items)" },
  contains_all: { takes: ["list", "list"], gives: "boolean", signature: "(list, items)" },
  "regexp.match": {
    takes: ["list", "string"],
    gives: "boolean",
    pattern: true,
    signature: "(list, pattern)",
  },
  /** Not in the original: every item matches, and there is one. */
  "regexp.match_all": {
    takes: ["list", "string"],
    gives: "boolean",
    pattern: true,
    signature: "(list, pattern)",
  },
  "regexp.replace": {
    takes: ["list", "string", "string"],
    gives: "list",
    pattern: true,
    signature: "(list, pattern, replacement)",
  },
  "email.local": { takes: ["list"], gives: "list", signature: "(list)" },
  "strings.upper": { takes: ["list"], gives: "list", signature: "(list)" },
  "strings.lower": { takes: ["list"], gives: "list", signature: "(list)" },
  labels_matching: {
    takes: ["string"],
    gives: "list",
    pattern: true,
    signature: "(keyPattern)",
  },
  set: { takes: ["string"], variadic: true, gives: "list", signature: '("a", "b", …)' },
};
