import type { RuleRef } from "./decision.ts";
import { formatProblem, formatProblems } from "./problem.ts";
import type { CaseResult, TestReport } from "./run_tests.ts";

/** The report for people: failures as a difference, then what no case has tried. */
export function formatTestReport(report: TestReport): string {
  const lines = report.problems.length > 0 ? [formatProblems(report.problems)] : [];
  for (const result of report.cases) {
    lines.push(`${result.passed ? "ok" : "FAILED"}  ${result.name}`);
    if (!result.passed) lines.push(...difference(result));
  }
  const { rules, untested } = report.coverage;
  lines.push("", `${report.passed} passed, ${report.failed} failed`);
  if (rules > 0) lines.push(`${rules - untested.length} of ${rules} rules decided a case`);
  for (const rule of untested) lines.push(`  never decided: ${place(rule)}`);
  return `${lines.join("\n")}\n`;
}

/**
 * The report for programs: these three keys and no other. What is wrong with a test file is not a
 * case; whoever runs this tells it apart (`TestReport.problems`).
 */
export function testReportJson({ passed, failed, cases }: TestReport): string {
  const listed = cases.map((result) => ({
    name: result.name,
    file: result.at.file,
    line: result.at.line,
    passed: result.passed,
    expected: result.expected,
    actual: result.actual,
    because: result.expectedBecause,
    detail: result.detail,
    rule: result.by,
  }));
  return `${JSON.stringify({ passed, failed, cases: listed }, null, 2)}\n`;
}

/** The report in JUnit's XML, which CI systems show. */
export function testReportJunit(report: TestReport): string {
  const { cases, problems } = report;
  const failures = report.failed + problems.length;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="policy" tests="${cases.length + problems.length}" failures="${failures}">`,
  ];
  for (const problem of problems) {
    lines.push(...failing(problem.at.file, "the file is readable", formatProblem(problem)));
  }
  for (const result of cases) {
    const { name, at } = result;
    if (result.passed) lines.push(`  <testcase ${attributes(at.file, name)}/>`);
    else lines.push(...failing(at.file, name, difference(result).join("\n")));
  }
  return `${lines.join("\n")}\n</testsuite>\n`;
}

function difference(result: CaseResult): string[] {
  const { at, expected, expectedBecause, actual, detail } = result;
  const because = expectedBecause === undefined ? "" : ` because of ${expectedBecause}`;
  return [
    `    at ${at.file}:${at.line}`,
    `    - ${expected}${because}`,
    `    + ${actual}: ${detail.replaceAll("\n", "\n      ")}`,
  ];
}

function place({ role, path, rule, file, line }: RuleRef): string {
  return `${role} ${path} ${JSON.stringify(rule)} (${file}:${line})`;
}

function failing(file: string, name: string, text: string): string[] {
  return [
    `  <testcase ${attributes(file, name)}>`,
    `    <failure message="not as expected">${escapeXml(text)}</failure>`,
    "  </testcase>",
  ];
}

function attributes(file: string, name: string): string {
  return `classname="${escapeXml(file)}" name="${escapeXml(name)}"`;
}

function escapeXml(text: string): string {
  let escaped = "";
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    // XML 1.0 §2.2: these are not characters, however they are written.
    const forbidden = (code < 32 && code !== 9 && code !== 10 && code !== 13) ||
      (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff;
    if (forbidden) escaped += "\ufffd";
    else if (letter === "&") escaped += "&amp;";
    else if (letter === "<") escaped += "&lt;";
    else if (letter === ">") escaped += "&gt;";
    else if (letter === '"') escaped += "&quot;";
    else escaped += letter;
  }
  return escaped;
}
