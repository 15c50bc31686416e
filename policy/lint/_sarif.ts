import { type Finding, LINT_RULES, type LintRule } from "./finding.ts";
import type { Position } from "../problem.ts";

const LEVELS = { error: "error", warning: "warning", info: "note" } as const;

/** A log in SARIF 2.1.0, which code scanners read. */
export function sarifLog(findings: readonly Finding[]): unknown {
  const ids = Object.keys(LINT_RULES) as LintRule[];
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{
      tool: {
        driver: {
          name: "postern",
          rules: ids.map((id) => ({
            id,
            shortDescription: { text: LINT_RULES[id].summary },
            defaultConfiguration: { level: LEVELS[LINT_RULES[id].severity] },
          })),
        },
      },
      columnKind: "utf16CodeUnits",
      results: findings.map((found) => ({
        ruleId: found.rule,
        ruleIndex: ids.indexOf(found.rule),
        level: LEVELS[found.severity],
        message: {
          text: found.hint === undefined ? found.message : `${found.message}\n${found.hint}`,
        },
        locations: [{ physicalLocation: location(found.at) }],
        relatedLocations: found.related?.map(({ at, message }) => ({
          physicalLocation: location(at),
          message: { text: message },
        })),
      })),
    }],
  };
}

function location({ file, line, column }: Position) {
  return {
    artifactLocation: { uri: file.split("/").map(encodeURIComponent).join("/") },
    region: { startLine: line, startColumn: column },
  };
}
