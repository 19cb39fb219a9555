// Findings as text for a terminal. Pure.

import { clip } from "./check.ts";
import type { Finding, Outcome } from "./run.ts";

const COLUMNS = ["requirement", "level", "transport", "result", "what"] as const;
const WIDTHS = [11, 10, 9, 14] as const;
const TRANSPORTS = { ws: "WebSocket", http: "HTTP" } as const;

/** The table of all findings. */
export function formatTable(findings: readonly Finding[]): string {
  const rows = findings.map((finding) => [
    finding.requirement.id,
    finding.requirement.level,
    finding.transport === null ? "" : TRANSPORTS[finding.transport],
    resultWord(finding.outcome),
    whatOf(finding),
  ]);
  return `${[COLUMNS, ...rows].map(formatRow).join("\n")}\n`;
}

/** The closing lines: counts of findings, failures last. */
export function formatCounts(findings: readonly Finding[]): string {
  const { passed, failed, notApplicable, requirements } = countFindings(findings);
  return `${requirements} requirements\n${notApplicable} not applicable\n${passed} passed, ${failed} failed\n`;
}

/** How many findings of each kind. */
export function countFindings(findings: readonly Finding[]) {
  const of = (kind: Outcome["kind"]): number => findings.filter(({ outcome }) => outcome.kind === kind).length;
  return {
    passed: of("passed"),
    failed: of("failed"),
    notApplicable: of("not-applicable"),
    requirements: new Set(findings.map(({ requirement }) => requirement.id)).size,
  };
}

/** The result in words. */
export function resultWord(outcome: Outcome): string {
  switch (outcome.kind) {
    case "passed":
      return "pass";
    case "failed":
      return "FAIL";
    case "not-applicable":
      return "not applicable";
  }
}

function whatOf({ says, outcome }: Finding): string {
  switch (outcome.kind) {
    case "passed":
      return says;
    case "failed":
      return `${says}: expected ${outcome.expected}; saw ${outcome.seen}`;
    case "not-applicable":
      return clip(`${outcome.reason}: ${outcome.sentence}`, 200);
  }
}

function formatRow(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0)).join("  ");
}
