// Whom stages reach.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { aCohortAgent, anAgent, aRollout, aStage, aUid, stages } from "./builders.ts";
import { EVERYONE, NOBODY } from "./rank.ts";
import { isCapable, placeCohort, previewStages, stageSize, targetOf } from "./reach.ts";
import { initialStatus, type RolloutSpec } from "./rollout.ts";

function fleet(spec: RolloutSpec, size: number, labels: (n: number) => Record<string, string> = () => ({})) {
  return Array.from({ length: size }, (_, i) =>
    aCohortAgent(spec, anAgent({ uid: aUid(i + 1), labels: labels(i + 1) }), false),
  );
}

describe("stageSize", () => {
  const cases: readonly (readonly [percent: number, fleet: number, expected: number])[] = [
    [10, 50, 5],
    [10, 51, 6],
    [7, 100, 7],
    [0.1, 5, 1],
    [100, 3, 3],
    [33.4, 3, 2],
    [50, 0, 0],
  ];
  for (const [percent, size, expected] of cases) {
    it(`${percent} % of ${size} is ${expected}`, () =>
      assert.equal(stageSize({ kind: "percent", percent }, size), expected));
  }

  it("never exceeds the fleet", () => assert.equal(stageSize({ kind: "count", count: 9 }, 3), 3));
});

describe("previewStages", () => {
  const cases = [
    { name: "shares are of the whole fleet, together", spec: aRollout(stages(10, 50, 100)), is: [2, 8, 10] },
    {
      name: "numbers are of the whole fleet, together",
      spec: aRollout([aStage({ size: { kind: "count", count: 3 } }), aStage()]),
      is: [3, 17],
    },
    {
      name: "a selector is everybody that it matches",
      spec: aRollout([aStage({ size: { kind: "selector", selector: "tier=canary" } }), aStage()]),
      is: [5, 15],
    },
    {
      name: "a share after a selector has those of the selector in it",
      spec: aRollout([aStage({ size: { kind: "selector", selector: "tier=canary" } }), ...stages(50, 100)]),
      is: [5, 5, 10],
    },
    {
      name: "a smaller share after a larger one reaches nobody more",
      spec: aRollout(stages(50, 10, 100)),
      is: [10, 0, 10],
    },
  ];
  for (const { name, spec, is } of cases) {
    it(name, () => {
      const cohort = fleet(spec, 20, (n) => ({ tier: n % 4 === 0 ? "canary" : "rest" }));
      assert.deepEqual(
        previewStages(cohort, spec).map(({ members }) => members.length),
        is,
      );
    });
  }

  it("reaches everybody once, whatever the stages", () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 100 }).map((percent) => ({ kind: "percent", percent }) as const),
      fc.integer({ min: 1, max: 30 }).map((count) => ({ kind: "count", count }) as const),
      fc.constant({ kind: "selector", selector: "tier=canary" } as const),
    );
    const order = fc.constantFrom("sticky_hash", "oldest_first", "risk_low_first");
    fc.assert(
      fc.property(fc.array(fc.record({ size, order }), { maxLength: 4 }), fc.nat(25), (parts, count) => {
        const spec = aRollout([...parts.map((part) => aStage(part)), aStage()]);
        const cohort = fleet(spec, count, (n) => ({ tier: n % 3 === 0 ? "canary" : "rest" }));
        const reached = previewStages(cohort, spec).flatMap(({ members }) => members.map(({ place }) => place.uid));
        assert.deepEqual(reached.sort(), cohort.map(({ view }) => view.uid).sort());
      }),
    );
  });
});

describe("targetOf", () => {
  it("counts only those that can take the revision", () => {
    const spec = aRollout(stages(50, 100));
    const able = fleet(spec, 4);
    const unable = aCohortAgent(spec, anAgent({ uid: aUid(9), capabilities: [] }), false);
    const lacking = { ...aCohortAgent(spec, anAgent({ uid: aUid(8) }), false), lacking: ["receiver/otlp"] };
    const placed = placeCohort([...able, unable, lacking], spec, initialStatus(spec));
    assert.equal(targetOf(placed, spec, 0).newCount, 2);
    assert.ok(!isCapable(unable) && !isCapable(lacking) && isCapable({ ...lacking, lacking: [] }));
  });

  it("leaves the last stage open to those that come later, and an empty one closed", () => {
    const spec = aRollout(stages(50, 100));
    const status = initialStatus(spec);
    const placed = placeCohort(fleet(spec, 4), spec, status);
    assert.equal(targetOf(placed, spec, 1).cutoff, EVERYONE);
    assert.deepEqual(targetOf([], spec, 0), { cutoff: NOBODY, size: 0, newCount: 0 });
  });
});

describe("placeCohort", () => {
  const spec = aRollout(stages(100), { pace: { ...aRollout([]).pace, domainKey: "zone" } });
  const status = {
    ...initialStatus(spec),
    startedAtMs: 0,
    stages: initialStatus(spec).stages.map((stage) => ({ ...stage, cutoff: EVERYONE })),
  };

  it("knows the failure domain, and the first stage that reaches an agent", () => {
    const [one] = placeCohort(
      fleet(spec, 1, () => ({ zone: "a" })),
      spec,
      status,
    );
    assert.deepEqual([one?.domain, one?.stage], ["a", 0]);
  });

  for (const [newAgents, stage] of [
    ["by_rank", 0],
    ["stable", null],
    ["hold", null],
  ] as const) {
    it(`${stage === null ? "does not reach" : "reaches"} newcomers where the policy says ${newAgents}`, () => {
      const asked = { ...spec, policies: { ...spec.policies, newAgents } };
      assert.equal(placeCohort(fleet(asked, 1), asked, status)[0]?.stage, stage);
    });
  }
});
