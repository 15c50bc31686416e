/** `policy lint`: what is wrong with roles that compile, and with those that do not. */
export {
  type Finding,
  LINT_RULES,
  type LintRule,
  problemFinding,
  type Severity,
} from "./finding.ts";
export { type FindingFormat, formatFindings, type Sources } from "./format_findings.ts";
export { type Fixes, fixRoles, type TextEdit } from "./fix_roles.ts";
export { type CatalogueTool, type LintOptions, lintRoles } from "./lint_roles.ts";
