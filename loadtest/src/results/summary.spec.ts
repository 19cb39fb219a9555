import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { spreadOf } from "../measure/statistics.ts";
import { formatValue, type Plan, type Reading, type TargetPlan, type Unit } from "./plan.ts";
import { summarize } from "./summary.ts";

describe("spreadOf", () => {
  const cases: readonly [values: number[], median: number, min: number, max: number][] = [
    [[5], 5, 5, 5],
    [[3, 1, 2], 2, 1, 3],
    [[4, 1, 2, 3], 2.5, 1, 4],
    [[10, 9, 100], 10, 9, 100],
  ];
  for (const [values, median, min, max] of cases) {
    it(`of ${values.join(", ")}`, () => assert.deepEqual(spreadOf(values), { median, min, max }));
  }
  it("of nothing is a mistake", () => assert.throws(() => spreadOf([])));
});

const aTarget = (more: Partial<TargetPlan> = {}): TargetPlan => ({
  title: "cheap",
  measured: { kind: "metric", metric: "cost", subject: "ours" },
  bound: "at most",
  limit: 10,
  unit: "us",
  minAgents: 100,
  ...more,
});

const aPlan = (...targets: TargetPlan[]): Plan => ({
  metrics: [{ id: "cost", title: "cost", unit: "us" }],
  ratios: [{ id: "to-theirs", title: "to theirs", metric: "cost", of: "ours", to: "theirs" }],
  targets,
});

const rounds = (ours: number[], theirs: number[]): Reading[] => [
  ...ours.map((cost, i) => ({ round: i + 1, subject: "ours", values: { cost } })),
  ...theirs.map((cost, i) => ({ round: i + 1, subject: "theirs", values: { cost } })),
];

describe("summarize", () => {
  it("divides within a round, not the medians", () => {
    const { ratios } = summarize(aPlan(), rounds([10, 40, 30], [10, 20, 10]), 100);
    assert.deepEqual(ratios, [{ id: "to-theirs", median: 2, min: 1, max: 3 }]);
  });

  it("leaves out rounds in which one of both is missing or cost nothing", () => {
    assert.deepEqual(summarize(aPlan(), rounds([10, 20], [0]), 100).ratios, []);
  });

  const ratio = { kind: "ratio", ratio: "to-theirs" } as const;
  const cases: { name: string; target: TargetPlan; theirs?: number[]; agents?: number; ours?: number[]; is: string }[] =
    [
      { name: "is met by a median below", target: aTarget(), is: "met" },
      { name: "is met by a median at the limit", target: aTarget({ limit: 9 }), is: "met" },
      { name: "is missed by a median above", target: aTarget({ limit: 8 }), is: "missed" },
      { name: "at least: is met above", target: aTarget({ bound: "at least", limit: 8 }), is: "met" },
      { name: "at least: is missed below", target: aTarget({ bound: "at least" }), is: "missed" },
      { name: "may be a ratio", target: aTarget({ measured: ratio, limit: 3 }), is: "met" },
      { name: "is not judged of a small fleet", target: aTarget(), agents: 99, is: "not judged" },
      { name: "is not judged of few rounds", target: aTarget(), ours: [9, 9], theirs: [3, 3], is: "not judged" },
      {
        name: "is not judged of few rounds that both took part in",
        target: aTarget({ measured: ratio }),
        theirs: [3, 3],
        is: "not judged",
      },
      { name: "is not judged without the peer", target: aTarget({ measured: ratio }), theirs: [], is: "not judged" },
    ];
  for (const { name, target, theirs = [3, 3, 3], ours = [9, 8, 12], agents = 100, is } of cases) {
    it(`a target ${name}`, () => {
      const [outcome] = summarize(aPlan(target), rounds(ours, theirs), agents).targets;
      assert.equal(outcome?.verdict, is);
      assert.equal(outcome?.reason === "", is !== "not judged");
    });
  }

  it("says in how many rounds a limit was kept", () => {
    const [outcome] = summarize(aPlan(aTarget()), rounds([9, 8, 12], []), 100).targets;
    assert.deepEqual([outcome?.keptRounds, outcome?.rounds], [2, 3]);
  });
});

describe("formatValue", () => {
  const cases: readonly [value: number, unit: Unit, text: string][] = [
    [3.456, "us", "3.46 µs"],
    [1234, "ms", "1234 ms"],
    [0, "count", "0"],
    [0.001, "count", "0.001"],
    [15_000, "count", "15,000"],
    [4_096, "bytes", "4 KB"],
    [1024 ** 3, "bytes", "1 GB"],
    [0.6, "share", "60 %"],
    [2_500, "per second", "2,500/s"],
    [1.2, "ratio", "1.20 x"],
    [0.125, "ratio", "0.125 x"],
  ];
  for (const [value, unit, text] of cases) it(`writes ${text}`, () => assert.equal(formatValue(value, unit), text));
});
