import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { AGENT_STATES, type FleetError, initialStatus, type RolloutCounts, type Stage } from "@muster/fleet";
import { aRollout, aUid } from "@muster/fleet/builders";
import { RolloutPhase, RolloutSchema, RolloutStageSchema, StageState } from "@muster/protocol/muster/rollouts";
import { parseApplyTimeout, parseStages, toRollout } from "./translate-rollout.ts";

const percent = (value: number, bakeMs = 0) =>
  create(RolloutStageSchema, { size: { case: "percent", value }, bake: durationFromMs(bakeMs) });
const count = (value: bigint) => create(RolloutStageSchema, { size: { case: "count", value } });
const everybody: Stage = { size: { kind: "percent", percent: 100 }, bakeMs: 0 };

describe("stages of a request", () => {
  const right = [
    { name: "default to everybody at once", asked: [], stages: [everybody] },
    {
      name: "keep a last one for everybody, with its bake time",
      asked: [percent(10, 30_000), percent(100, 5_000)],
      stages: [
        { size: { kind: "percent", percent: 10 }, bakeMs: 30_000 },
        { ...everybody, bakeMs: 5_000 },
      ],
    },
    {
      name: "get a last one for everybody",
      asked: [count(5n), count(25n)],
      stages: [
        { size: { kind: "count", count: 5 }, bakeMs: 0 },
        { size: { kind: "count", count: 25 }, bakeMs: 0 },
        everybody,
      ],
    },
    {
      name: "may mix numbers and shares, which nobody can compare yet",
      asked: [count(500n), percent(1)],
      stages: [
        { size: { kind: "count", count: 500 }, bakeMs: 0 },
        { size: { kind: "percent", percent: 1 }, bakeMs: 0 },
        everybody,
      ],
    },
  ];
  for (const { name, asked, stages } of right) it(name, () => assert.deepEqual(parseStages(asked), stages));

  const wrong = [
    { name: "no size", asked: [create(RolloutStageSchema)], fields: ["stages[0]"] },
    { name: "0 percent", asked: [percent(0)], fields: ["stages[0].percent"] },
    { name: "more than everybody", asked: [percent(101)], fields: ["stages[0].percent"] },
    { name: "a share that is not a number", asked: [percent(Number.NaN)], fields: ["stages[0].percent"] },
    { name: "no agents", asked: [count(0n)], fields: ["stages[0].count"] },
    { name: "shares that do not grow", asked: [percent(50), percent(50)], fields: ["stages[1].percent"] },
    {
      name: "numbers that shrink across a share",
      asked: [count(5n), percent(50), count(4n)],
      fields: ["stages[2].count"],
    },
    { name: "a stage after everybody", asked: [percent(100), count(5n)], fields: ["stages[1]"] },
    { name: "a negative bake time", asked: [percent(10, -1)], fields: ["stages[0].bake"] },
    { name: "several at once", asked: [percent(0), count(0n)], fields: ["stages[0].percent", "stages[1].count"] },
    { name: "too many", asked: Array.from({ length: 50 }, (_, i) => percent(i + 1)), fields: ["stages"] },
  ];
  for (const { name, asked, fields } of wrong) {
    it(`are refused with ${name}`, () => {
      assert.throws(
        () => parseStages(asked),
        (error: FleetError) => {
          assert.deepEqual(
            error.violations.map((v) => v.field),
            fields,
          );
          return true;
        },
      );
    });
  }
});

describe("the apply timeout of a request", () => {
  it("defaults to five minutes", () => assert.equal(parseApplyTimeout(undefined), 300_000));
  it("takes ten seconds", () => assert.equal(parseApplyTimeout(durationFromMs(10_000)), 10_000));
  it("refuses less", () => assert.throws(() => parseApplyTimeout(durationFromMs(9_999)), { code: "invalid" }));
});

describe("a rollout", () => {
  it("is told field by field", () => {
    const spec = aRollout([{ size: { kind: "count", count: 5 }, bakeMs: 30_000 }, everybody], { reason: "because" });
    const states = Object.keys(AGENT_STATES) as (keyof RolloutCounts)[];
    const counts = Object.fromEntries(states.map((state, i) => [state, i + 1])) as RolloutCounts;
    const [first, second] = initialStatus(spec).stages;
    const status = {
      ...initialStatus(spec),
      phase: "paused",
      reason: "agents_failed",
      counts,
      stages: [{ ...first, state: "baking", size: 5, startedAtMs: 1_000, convergedAtMs: 2_000 }, second],
      failures: [{ uid: aUid(), state: "failed", error: "said no", since: "restored" }],
      endedAtMs: 3_000,
    } as Parameters<typeof toRollout>[0]["status"]; // literal strings stay wide in a spread
    const rollout = create(RolloutSchema, toRollout({ spec, status }));
    assert.equal(rollout.phase, RolloutPhase.PAUSED);
    assert.equal(rollout.reason, "agents_failed");
    assert.equal(rollout.startReason, "because");
    assert.deepEqual(rollout.stages[0]?.stage?.size, { case: "count", value: 5n });
    assert.equal(rollout.stages[0]?.stage?.bake?.seconds, 30n);
    assert.deepEqual(
      rollout.stages.map((stage) => [stage.state, stage.size, stage.startTime?.seconds, stage.convergeTime?.seconds]),
      [
        [StageState.BAKING, 5n, 1n, 2n],
        [StageState.PENDING, 0n, undefined, undefined],
      ],
    );
    assert.equal(rollout.failures[0]?.instanceUid, aUid());
    assert.equal(rollout.endTime?.seconds, 3n);
  });

  it("has counts that add up, whatever states there are", () => {
    const states = Object.keys(AGENT_STATES) as (keyof RolloutCounts)[];
    const counts = Object.fromEntries(states.map((state, i) => [state, 2 ** i])) as RolloutCounts;
    const spec = aRollout([everybody]);
    const told = create(RolloutSchema, toRollout({ spec, status: { ...initialStatus(spec), counts } })).counts;
    const { targeted, $typeName: _, $unknown: __, ...rest } = told ?? assert.fail("no counts");
    const sum = Object.values(rest).reduce((total: bigint, each: bigint) => total + each, 0n);
    assert.equal(sum, targeted);
    assert.equal(targeted, BigInt(2 ** states.length - 1));
  });
});
