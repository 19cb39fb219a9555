import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NOTES } from "./notes.ts";
import { formatPage, type Verdict, verdictOn } from "./page.ts";
import { REQUIREMENTS } from "./requirements.ts";
import type { Finding, Outcome } from "./run.ts";

const passed: Outcome = { kind: "passed" };
const failed: Outcome = { kind: "failed", expected: "a", seen: "b" };
const unasked: Outcome = { kind: "not-applicable", reason: "needs-setup", sentence: "It takes a setup." };
const found = (outcome: Outcome, requirement = REQUIREMENTS[0] ?? assert.fail("none")): Finding => ({
  requirement,
  transport: "ws",
  says: "does it",
  outcome,
});

describe("the conformance page", () => {
  const cases: readonly (readonly [outcomes: readonly Outcome[], isNoted: boolean, verdict: Verdict])[] = [
    [[passed, unasked], false, "pass"],
    [[passed, unasked], true, "in part"],
    [[passed, failed], false, "fail"],
    [[passed, failed], true, "fail"],
    [[unasked], false, "not applicable"],
    [[unasked], true, "not applicable"],
  ];
  for (const [outcomes, isNoted, verdict] of cases) {
    const kinds = outcomes.map(({ kind }) => kind).join(" and ");
    it(`finds ${verdict} in ${kinds}${isNoted ? " with a note" : ""}`, () => {
      const findings = outcomes.map((outcome) => found(outcome));
      assert.equal(verdictOn(findings, isNoted), verdict);
    });
  }

  it("says of a requirement with a note the same in its row, in the summary and at its end", () => {
    const page = formatPage(REQUIREMENTS.map((requirement) => found(passed, requirement)));
    const noted = NOTES.flatMap(({ ids }) => ids);
    const rows = page
      .split("\n")
      .filter((line) => /\| in part \| 1 case: WebSocket\. See the end of this page\. \|$/.test(line));
    assert.deepEqual(
      rows.map((row) => row.split(" ")[1]),
      noted,
    );
    const total = REQUIREMENTS.length;
    const summary = `Of ${total} requirements ${total - noted.length} pass, ${noted.length} are met in part, 0 fail and 0 are`;
    assert.ok(page.includes(summary), summary);
    for (const { sentence } of NOTES) assert.ok(page.includes(sentence), sentence);
  });
});
