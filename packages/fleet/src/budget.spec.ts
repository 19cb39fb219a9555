// How many failures a rollout bears.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  assessBudget,
  breachAction,
  budgetText,
  type Criterion,
  DEFAULT_BUDGET,
  doubtText,
  type Outcome,
} from "./budget.ts";
import type { FailureKind } from "./rollout-states.ts";

const NONE: Criterion = { kinds: [], percent: null, absolute: null, minSample: 5, window: "rollout" };

/** `good` outcomes and failures of a stage. */
function outcomes(good: number, failures: readonly FailureKind[], stage = 0): readonly Outcome[] {
  const well = Array.from({ length: good }, (): Outcome => ({ stage, failure: null }));
  return [...well, ...failures.map((failure): Outcome => ({ stage, failure }))];
}

describe("assessBudget", () => {
  const cases: readonly { name: string; criteria: readonly Criterion[]; seen: readonly Outcome[]; is: string }[] = [
    { name: "passes without failures", criteria: DEFAULT_BUDGET.criteria, seen: outcomes(5, []), is: "pass" },
    {
      name: "passes below the share",
      criteria: [{ ...NONE, percent: 10 }],
      seen: outcomes(10, ["failed"]),
      is: "pass",
    },
    { name: "fails at the share", criteria: [{ ...NONE, percent: 10 }], seen: outcomes(9, ["failed"]), is: "fail" },
    {
      name: "cannot tell from too few",
      criteria: [{ ...NONE, percent: 10 }],
      seen: outcomes(3, ["failed"]),
      is: "inconclusive",
    },
    {
      name: "fails at the number",
      criteria: [{ ...NONE, absolute: 2 }],
      seen: outcomes(50, ["failed", "unhealthy"]),
      is: "fail",
    },
    {
      name: "passes below the number",
      criteria: [{ ...NONE, absolute: 2 }],
      seen: outcomes(50, ["failed"]),
      is: "pass",
    },
    {
      name: "counts the number without a least sample",
      criteria: [{ ...NONE, absolute: 1 }],
      seen: outcomes(0, ["failed"]),
      is: "fail",
    },
    {
      name: "counts only the kinds that it names",
      criteria: [{ ...NONE, kinds: ["went_dark"], absolute: 1 }],
      seen: outcomes(5, ["failed", "timed_out"]),
      is: "pass",
    },
    {
      name: "counts only the stage at work where told",
      criteria: [{ ...NONE, absolute: 1, window: "stage" }],
      seen: [...outcomes(5, ["failed"], 0), ...outcomes(5, [], 1)],
      is: "pass",
    },
    {
      name: "counts all stages otherwise",
      criteria: [{ ...NONE, absolute: 1 }],
      seen: [...outcomes(5, ["failed"], 0), ...outcomes(5, [], 1)],
      is: "fail",
    },
    {
      name: "fails when any criterion does",
      criteria: [
        { ...NONE, percent: 90 },
        { ...NONE, absolute: 1 },
      ],
      seen: outcomes(5, ["failed"]),
      is: "fail",
    },
    { name: "bears everything without criteria", criteria: [], seen: outcomes(0, ["failed", "failed"]), is: "pass" },
    { name: "is breached by nobody's failure", criteria: [{ ...NONE, percent: 0 }], seen: outcomes(9, []), is: "pass" },
  ];
  for (const { name, criteria, seen, is } of cases) {
    it(name, () => assert.equal(assessBudget({ criteria, onBreach: "default" }, seen, 1).kind, is));
  }
});

describe("breachAction", () => {
  const cases = [
    { onBreach: "default", stage: 0, is: "rollback" },
    { onBreach: "default", stage: 1, is: "rollback" },
    { onBreach: "default", stage: 2, is: "pause" },
    { onBreach: "halt", stage: 0, is: "halt" },
    { onBreach: "pause", stage: 0, is: "pause" },
    { onBreach: "rollback", stage: 5, is: "rollback" },
  ] as const;
  for (const { onBreach, stage, is } of cases) {
    it(`${onBreach} in stage ${stage + 1}: ${is}`, () =>
      assert.equal(breachAction({ criteria: [], onBreach }, stage), is));
  }
});

describe("budgetText", () => {
  const cases: readonly { criterion: Criterion; is: string }[] = [
    {
      criterion: { ...NONE, percent: 10 },
      is: "2 of 9 agents of the rollout failed; the budget ends at 10 % of at least 5",
    },
    {
      criterion: { ...NONE, absolute: 2, percent: 50, kinds: ["timed_out"], window: "stage" },
      is: "2 of 9 agents of the stage failed (timed out); the budget ends at 2 failures or 50 % of at least 5",
    },
  ];
  for (const { criterion, is } of cases)
    it(is, () => assert.equal(budgetText({ criterion, failed: 2, sample: 9 }), is));
});

describe("doubtText", () => {
  it("says how many it takes", () => {
    const criterion = { kinds: [], percent: 10, absolute: null, minSample: 5, window: "rollout" } as const;
    assert.equal(
      doubtText({ criterion, failed: 1, sample: 3 }),
      "1 of 3 agents of the rollout failed; the budget needs 5 to tell whether that is too many",
    );
  });
});
