import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseResult, type RecordedResult } from "../results/record.ts";
import { summarize } from "../results/summary.ts";
import { peers } from "../scenarios/peers.ts";
import { renderChart } from "./chart.ts";
import { drawPage, verdictOf } from "./page.ts";
import { replaceSections } from "./sections.ts";

function aResult(more: Partial<RecordedResult> = {}): RecordedResult {
  const values = { heartbeat: 5, rate: 1_000, connect: 100, fresh: 5_000, heard: 4_000 };
  const readings = [1, 2, 3].flatMap((round) => [
    { round, subject: "muster", values: { ...values, heartbeat: 5 + round } },
    { round, subject: "bare-uws", values: { ...values, heartbeat: 5 } },
  ]);
  const plan = peers.plan([]);
  return {
    format: 1,
    scenario: "peers",
    command: "npm run load -- --scenario peers --record",
    commit: "0123456789abcdef",
    isDirty: false,
    date: "2026-01-02T03:04:05.678Z",
    machine: { cpu: "a <fast> one", coreCount: 2, memoryBytes: 2 ** 34, kernel: "6", architecture: "x64", node: "v22" },
    isPinned: true,
    agents: 10_000,
    rounds: 3,
    metrics: plan.metrics,
    ratioPlans: plan.ratios,
    readings,
    summary: summarize(plan, readings, 10_000),
    ...more,
  };
}

const draw = (...results: RecordedResult[]) =>
  drawPage([peers], new Map(results.map((result) => [result.scenario, result])), []);

describe("the page", () => {
  it("says of what was not recorded that it was not", () => {
    const { sections, charts } = draw();
    assert.match(sections.targets, /not recorded yet/);
    assert.match(sections.measurements, /Not recorded yet\./);
    assert.doesNotMatch(sections.targets, /\| met \||missed/);
    assert.equal(charts.size, 0);
  });

  it("says where figures come from, and by how much targets are missed", () => {
    const { sections, charts } = draw(aResult());
    assert.match(sections.measurements, /10,000 agents, rounds: 3, commit 0123456789ab, 2026-01-02/);
    assert.match(sections.targets, /to bare uWS \| at most 1.20 x \| 1.40 x \| \*\*missed\*\* by 0.200 x \(17 %\)/);
    assert.match(sections.targets, /after heartbeats \| at most 4 KB \| 3.91 KB \| met \|/);
    assert.match(sections.machines, /^\* 2 x a <fast> one \(x64\), 16 GiB/);
    assert.ok(charts.has("peers-heartbeat.svg"));
  });

  it("says when a target is met in some rounds only", () => {
    const outcome = summarize(peers.plan([]), aResult().readings, 10_000).targets[3];
    assert.ok(outcome !== undefined);
    assert.equal(verdictOf({ ...outcome, verdict: "met", rounds: 3, keptRounds: 2 }), "met, in 2 rounds of 3");
  });

  it("says when the commit is not what was measured", () => {
    assert.match(draw(aResult({ isDirty: true })).sections.measurements, /changes that were not committed/);
  });

  it("says of a target of nothing how much there is", () => {
    const [target] = aResult().summary.targets;
    assert.ok(target);
    const outcome = { ...target, limit: 0, unit: "count", value: 3, verdict: "missed", reason: "" } as const;
    assert.equal(verdictOf(outcome), "**missed** by 3");
  });
});

describe("renderChart", () => {
  const bars = [
    { name: "ours & <more>", median: 4, min: 3, max: 5 },
    { name: "theirs", median: 8, min: 8, max: 8 },
  ];
  const svg = renderChart({ title: "cost", unit: "us", bars, limit: { value: 10, bound: "at most" } });

  it("draws bars on one scale, the limit on it too", () => {
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    assert.deepEqual(widths, [152, 304]);
    assert.match(svg, /target: at most 10 µs/);
  });

  it("writes numbers and spread beside the bars, and no markup of names", () => {
    assert.match(svg, /4 µs \(3 µs – 5 µs\)/);
    assert.match(svg, /ours &#38; &#60;more&#62;/);
  });
});

describe("parseResult", () => {
  it("reads what was saved", () => assert.deepEqual(parseResult(JSON.stringify(aResult()), "a.json"), aResult()));
  it("refuses another format", () => assert.throws(() => parseResult('{"format": 2}', "a.json"), /a\.json.*format 1/));
  it("names what is missing", () => {
    const { machine: _, ...rest } = aResult();
    assert.throws(() => parseResult(JSON.stringify(rest), "a.json"), /a\.json lacks machine/);
  });
});

describe("replaceSections", () => {
  it("leaves what stands around them alone", () => {
    const page = "before\n<!-- a -->\nold\n<!-- /a -->\nafter\n";
    const once = replaceSections(page, { a: "new\n" });
    assert.equal(once, "before\n<!-- a -->\n\nnew\n\n<!-- /a -->\nafter\n");
    assert.equal(replaceSections(once, { a: "new\n" }), once);
  });
  it("does not lose a section quietly", () => assert.throws(() => replaceSections("", { a: "" }), /<!-- a -->/));
});
