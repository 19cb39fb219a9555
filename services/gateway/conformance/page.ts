// Findings as docs/conformance.md: one row for each requirement, the same every time the server does the same. No times,
// no addresses, no counts that depend on the machine. Pure.

import { REQUIREMENTS, type Requirement } from "./requirements.ts";
import type { Finding, Outcome } from "./run.ts";
import { UNSEEN } from "./unseen.ts";

/** The verdict on a requirement, from all that was found about it. */
export type Verdict = "pass" | "fail" | "not applicable";

const HEAD = `# Conformance

What OpAMP asks of a server, and what Muster does about it. This page is written by the conformance suite
(\`services/gateway/conformance\`); \`npm run conformance:docs\` writes it afresh.

The suite asks any OpAMP server, by its address, over real sockets:

    npm run conformance -- --target ws://127.0.0.1:4320/v1/opamp

What needs an operator (offers, commands, looking an agent up) takes a driver; \`--driver muster --management
127.0.0.1:4321\` is ours, \`driver.ts\` is what another one has to do. Without a driver, credentials or a second gateway
the cases that need them are not applicable. \`--help\` names every option. The suite ends with 0 when nothing failed, with 1 when
something did, and with 2 when the server could not be asked.

Requirements are numbered by us and worded by us; the reference leads to the specification's own words: \`L…\` is a line of
\`specification.md\` at \`f56c7ae\`, \`proto\` is a comment in \`opamp.proto\`, \`practice\` is what deployed agents turned out to
need and the specification does not say.
`;

const TAIL = `
## What Muster does not meet

* R22 in full: polls come every 30 s, and the library under the gateway (uWebSockets.js) closes an HTTP connection that has
  been idle for about 10 s and has no setting for it. Nothing is lost, but each poll opens a connection of its own.
* R106, R114, R115 and R125 speak of credentials that a server issues and revokes. Muster signs certificates (R117) and
  asks for tokens (R146), but issues no tokens: those it is given by its operator.
`;

/** The page. */
export function formatPage(findings: readonly Finding[]): string {
  const counts = new Map<Verdict, number>();
  const rows = REQUIREMENTS.map((requirement) => {
    const of = findings.filter((finding) => finding.requirement.id === requirement.id);
    const verdict = verdictOn(of);
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    return formatRow(requirement, verdict, of);
  });
  const [passed, failed, rest] = (["pass", "fail", "not applicable"] as const).map((each) => counts.get(each) ?? 0);
  const summary = `Of ${REQUIREMENTS.length} requirements ${passed} pass, ${failed} fail and ${rest} are not applicable.`;
  const table = ["| | level | a conforming server … | reference | Muster | shown by |", "|-|-|-|-|-|-|", ...rows];
  return `${HEAD}\n${summary}\n\n${table.join("\n")}\n${TAIL}`;
}

/** One failure fails it; one case that could be asked shows it. */
export function verdictOn(findings: readonly Finding[]): Verdict {
  const has = (kind: Outcome["kind"]): boolean => findings.some(({ outcome }) => outcome.kind === kind);
  if (has("failed")) return "fail";
  return has("passed") ? "pass" : "not applicable";
}

function formatRow(
  { id, level, says, reference }: Requirement,
  verdict: Verdict,
  findings: readonly Finding[],
): string {
  return `| ${id} | ${level} | ${says} | ${reference} | ${verdict} | ${shownBy(verdict, findings)} |`;
}

function shownBy(verdict: Verdict, findings: readonly Finding[]): string {
  switch (verdict) {
    case "pass":
    case "fail": {
      const asked = findings.filter(({ outcome }) => outcome.kind !== "not-applicable");
      const transports = [...new Set(asked.map(({ transport }) => (transport === "ws" ? "WebSocket" : "HTTP")))];
      const count = new Set(asked.map(({ says }) => says)).size;
      return `${count} ${count === 1 ? "case" : "cases"}: ${transports.sort().reverse().join(", ")}`;
    }
    case "not applicable":
      return whyNot(findings);
  }
}

function whyNot(findings: readonly Finding[]): string {
  const outcome = findings[0]?.outcome;
  if (outcome?.kind !== "not-applicable") return "";
  const file = UNSEEN.find(({ id }) => id === findings[0]?.requirement.id)?.shownBy ?? null;
  return `${outcome.sentence}${file === null ? "" : ` See \`${file}\`.`}`;
}
