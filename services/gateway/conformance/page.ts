// Findings as docs/conformance.md: one row for each requirement, the same every time the server does the same. No times,
// no addresses, no counts that depend on the machine. Pure.

import { NOTES, noteOn } from "./notes.ts";
import { REQUIREMENTS, type Requirement } from "./requirements.ts";
import type { Finding, Outcome } from "./run.ts";
import { UNSEEN } from "./unseen.ts";

/** The verdict on a requirement, from all that was found and noted about it. */
export type Verdict = "pass" | "in part" | "fail" | "not applicable";

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

/** The page. */
export function formatPage(findings: readonly Finding[]): string {
  const counts = new Map<Verdict, number>();
  const rows = REQUIREMENTS.map((requirement) => {
    const of = findings.filter((finding) => finding.requirement.id === requirement.id);
    const verdict = verdictOn(of, noteOn(requirement.id) !== undefined);
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    return formatRow(requirement, verdict, of);
  });
  const count = (verdict: Verdict): number => counts.get(verdict) ?? 0;
  const inPart = `${count("in part")} ${count("in part") === 1 ? "is" : "are"} met in part`;
  const rest = `${count("fail")} fail and ${count("not applicable")} are not applicable`;
  const summary = `Of ${REQUIREMENTS.length} requirements ${count("pass")} pass, ${inPart}, ${rest}.`;
  const table = ["| | level | a conforming server … | reference | Muster | shown by |", "|-|-|-|-|-|-|", ...rows];
  const notes = NOTES.map(({ ids, sentence }) => `* ${listed(ids)}: ${sentence}\n`);
  return `${HEAD}\n${summary}\n\n${table.join("\n")}\n\n## What Muster does in part, or not at all\n\n${notes.join("")}`;
}

/** "R1", "R1 and R2", "R1, R2 and R3". */
function listed(ids: readonly string[]): string {
  return ids.length < 2 ? ids.join("") : `${ids.slice(0, -1).join(", ")} and ${ids.at(-1)}`;
}

/** One failure fails it; one case that could be asked shows it, in part where there is a note. */
export function verdictOn(findings: readonly Finding[], isNoted: boolean): Verdict {
  const has = (kind: Outcome["kind"]): boolean => findings.some(({ outcome }) => outcome.kind === kind);
  if (has("failed")) return "fail";
  if (!has("passed")) return "not applicable";
  return isNoted ? "in part" : "pass";
}

function formatRow(
  { id, level, says, reference }: Requirement,
  verdict: Verdict,
  findings: readonly Finding[],
): string {
  const shown = shownBy(verdict, findings);
  const last = noteOn(id) === undefined ? shown : `${shown.replace(/\.$/, "")}. See the end of this page.`;
  return `| ${id} | ${level} | ${says} | ${reference} | ${verdict} | ${last} |`;
}

function shownBy(verdict: Verdict, findings: readonly Finding[]): string {
  switch (verdict) {
    case "pass":
    case "in part":
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
