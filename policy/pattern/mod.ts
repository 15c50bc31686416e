// Patterns of roles and regular expressions in RE2's dialect: linear in time, bounded in memory,
// total. See pattern.ts for the rules.
export { compilePattern } from "./pattern.ts";
export type { Pattern, PatternKind, PatternProblem, PatternResult } from "./pattern.ts";
export { compilePatternSet } from "./pattern_set.ts";
export type { PatternSet } from "./pattern_set.ts";
export { regexpReplace } from "./replace.ts";
export type { ReplaceResult } from "./replace.ts";
export { uncovered, witness } from "./algebra.ts";
export type { Question, Witness } from "./algebra.ts";
