/**
 * Policy: roles in, decisions out. Pure and total; nothing here reads a file, a clock or the
 * network.
 */
export {
  type AdminDecision,
  type AdminResource,
  type AdminRight,
  type AdminVerb,
  decideAdmin,
} from "./admin_access.ts";
export type { AppPolicy, ToolCall } from "./app_policy.ts";
export type { Ask, What } from "./ask.ts";
export { compilePolicy } from "./compile_policy.ts";
export { type Decision, describeDecision, type RuleRef } from "./decision.ts";
export {
  diffPolicies,
  type DiffWorld,
  type KnownApp,
  type KnownSubject,
  type PolicyChange,
  type PolicyDiff,
} from "./diff.ts";
export { formatPolicyDiff, policyDiffJson } from "./diff_report.ts";
export { PolicyError, type PolicyErrorCode } from "./error.ts";
export { explain, type Explanation } from "./explain.ts";
export { explanationsJson, formatExplanation, nearestMiss } from "./explain_report.ts";
export type { AppFacts, Approved } from "./labels.ts";
export { type ParsedRoles, parseRole, parseRoles } from "./parse_role.ts";
export { formatProblem, formatProblems, type Position, type Problem } from "./problem.ts";
export type { RepeatMode, Repeats, Role, RoleOptions, Subject, Traits } from "./role.ts";
export { recordedCalls, replay } from "./recorded.ts";
export type { Recorded, RecordedCall, Replayed } from "./recorded.ts";
export { formatReplay, replayCalls, type ReplayReport } from "./replay_report.ts";
export { roleSchema } from "./schema.ts";
export { type ChangeStep, smallestChange } from "./smallest_change.ts";
export { type ToolPatterns, toolPatterns } from "./tool_patterns.ts";
export { runPolicyTests, type TestReport } from "./run_tests.ts";
export { expandTemplate, parseTemplate, type Template } from "./template.ts";
export type { LoadRole, RoleText } from "./test_file.ts";
export { formatTestReport, testReportJson, testReportJunit } from "./test_report.ts";
export { parseWorld } from "./world_file.ts";
