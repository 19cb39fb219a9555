import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DEFAULT_STAGE, type FleetError, type Stage } from "@muster/fleet";
import { RolloutGrowthSchema, RolloutStageSchema } from "@muster/protocol/muster/rollouts";
import { parseApplyTimeout } from "./parse-settings.ts";
import { parseStages } from "./parse-stages.ts";

const percent = (value: number, bakeMs = 0) =>
  create(RolloutStageSchema, { size: { case: "percent", value }, bake: durationFromMs(bakeMs) });
const count = (value: bigint) =>
  create(RolloutStageSchema, { size: { case: "count", value }, bake: durationFromMs(0) });
const selector = (value: string) =>
  create(RolloutStageSchema, { size: { case: "selector", value }, bake: durationFromMs(0) });
const everybody: Stage = { ...DEFAULT_STAGE, size: { kind: "percent", percent: 100 }, bakeMs: 0 };

describe("stages of a request", () => {
  const right = [
    { name: "default to everybody at once", asked: [], stages: [{ ...everybody, bakeMs: 600_000 }] },
    {
      name: "keep a last one for everybody, with its bake time",
      asked: [percent(10, 30_000), percent(100, 5_000)],
      stages: [
        { ...everybody, size: { kind: "percent", percent: 10 }, bakeMs: 30_000 },
        { ...everybody, bakeMs: 5_000 },
      ],
    },
    {
      name: "get a last one for everybody",
      asked: [count(5n), count(25n)],
      stages: [
        { ...everybody, size: { kind: "count", count: 5 }, bakeMs: 0 },
        { ...everybody, size: { kind: "count", count: 25 }, bakeMs: 0 },
        { ...everybody, bakeMs: 0 },
      ],
    },
    {
      name: "may mix numbers and shares, which nobody can compare yet",
      asked: [count(500n), percent(1)],
      stages: [
        { ...everybody, size: { kind: "count", count: 500 }, bakeMs: 0 },
        { ...everybody, size: { kind: "percent", percent: 1 }, bakeMs: 0 },
        everybody,
      ],
    },
  ];
  for (const { name, asked, stages } of right)
    it(name, () => assert.deepEqual(parseStages(asked, undefined, 100), stages));

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
        () => parseStages(asked, undefined, 100),
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

describe("a growth", () => {
  const growth = (initial: number, factor: number, max: number) =>
    create(RolloutGrowthSchema, {
      initial: BigInt(initial),
      factor,
      max: BigInt(max),
      stage: { bake: durationFromMs(1_000) },
    });
  const sizes = (stages: readonly Stage[]) => stages.map(({ size }) => (size.kind === "count" ? size.count : "all"));

  it("compiles to stages that add more each time, up to a limit, and end with everybody", () => {
    assert.deepEqual(sizes(parseStages([], growth(5, 2, 0), 100)), [5, 15, 35, 75, "all"]);
    assert.deepEqual(sizes(parseStages([], growth(5, 3, 20), 100)), [5, 20, 40, 60, 80, "all"]);
    assert.deepEqual(sizes(parseStages([], growth(5, 2, 0), 3)), ["all"]);
  });

  it("has the same bake time at every stage, and is refused where it takes more stages than there may be", () => {
    assert.ok(parseStages([], growth(5, 2, 0), 100).every(({ bakeMs }) => bakeMs === 1_000));
    assert.throws(() => parseStages([], growth(1, 1, 1), 1_000_000), { code: "invalid" });
    assert.throws(
      () => parseStages([], growth(1, 2, 100), 10_000),
      { code: "invalid" },
      "its last step would be too large",
    );
  });

  it("is refused beside stages, and when it does not grow", () => {
    assert.throws(() => parseStages([count(1n)], growth(1, 2, 0), 10), { code: "invalid" });
    assert.throws(() => parseStages([], growth(0, 0.5, 0), 10), { code: "invalid" });
  });
});

describe("a stage by selector", () => {
  it("reaches those that match, before those by share", () => {
    const stages = parseStages([selector("tier=canary"), percent(50)], undefined, 10);
    assert.deepEqual(
      stages.map(({ size }) => size),
      [
        { kind: "selector", selector: "tier=canary" },
        { kind: "percent", percent: 50 },
        { kind: "percent", percent: 100 },
      ],
    );
  });

  it("is refused when it does not parse, or goes by facts that come and go", () => {
    for (const text of ["tier=", "connected=true"]) {
      assert.throws(
        () => parseStages([selector(text)], undefined, 10),
        (error: FleetError) => error.violations[0]?.field === "stages[0].selector",
      );
    }
  });
});

describe("gates of a stage", () => {
  it("are told wrong field by field", () => {
    const stage = create(RolloutStageSchema, {
      size: { case: "count", value: 1n },
      gates: [
        { name: "twice", gate: { case: "metric", value: { query: "", success: { op: "~", value: 1 } } } },
        { name: "twice", gate: { case: "webhook", value: { url: "ftp://x" } } },
        { name: "what" },
        { name: "other", gate: { case: "dependency", value: { rolloutId: "x" } } },
      ],
    });
    assert.throws(
      () => parseStages([stage], undefined, 10),
      (error: FleetError) => {
        const fields = error.violations.map(({ field }) => field);
        for (const field of [
          "stages[0].gates[0].metric.success.op",
          "stages[0].gates[0].query",
          "stages[0].gates[1].url",
          "stages[0].gates[2]",
          "stages[0].gates[3].dependency.rollout_id",
          "stages[0].gates",
        ]) {
          assert.ok(fields.includes(field), `${field} in ${fields.join(" ")}`);
        }
        return true;
      },
    );
  });
});
