// From the asking to the start.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aCohortAgent, aFleet, anAgent, aRollout, aStage, aUid, aWorld, MODEL_START_MS, stages } from "./builders.ts";
import type { ModelWorld } from "./model-world.ts";
import { NO_PEERS, type PlanInput } from "./pass.ts";
import { plan } from "./plan.ts";
import { approvers, driftOf, REBUILD_MS } from "./plan-start.ts";
import { initialStatus, type RolloutSpec } from "./rollout.ts";

const NOW_MS = MODEL_START_MS;
const HOUR_MS = 3_600_000;
const by = (...names: readonly string[]): RolloutSpec["approvals"] =>
  names.map((name) => ({ by: name, atMs: 0, remark: "" }));
const timing = (change: Partial<RolloutSpec["timing"]>): Partial<RolloutSpec> => ({
  timing: { ...aRollout([]).timing, ...change },
});
const two = { required: 2, approverRole: "", notAuthor: true };

function firstPass(change: Partial<RolloutSpec>, rest: Partial<PlanInput> = {}) {
  const spec = aRollout(stages(100), change);
  const world: ModelWorld = aWorld(aFleet(10));
  const rollout = world.start(spec);
  const { input } = world.draft(rollout);
  return plan({ ...input, status: initialStatus(spec), ...rest });
}

describe("a rollout that was asked for", () => {
  const freeze = {
    id: "c",
    description: "",
    recurring: [],
    freezes: [{ fromMs: 0, toMs: NOW_MS + 5, reason: "fair" }],
  };
  const windows = [{ cron: "0 0 1 1 *", durationMs: 60_000, timeZone: "UTC" }];
  const holder = aRollout([]).id;
  const cases: readonly { name: string; spec?: Partial<RolloutSpec>; with?: Partial<PlanInput>; is: string }[] = [
    { name: "begins", is: "running/stage_started" },
    {
      name: "is refused with quarantined content",
      with: { quarantine: "it was taken back" },
      is: "invalid/quarantined",
    },
    {
      name: "is refused when nobody can take it",
      with: { cohort: [{ ...aCohortAgent(aRollout([]), anAgent(), false), lacking: ["exporters/x"] }] },
      is: "invalid/incapable",
    },
    {
      name: "begins with quarantined content where somebody gave a reason",
      spec: { quarantineOverride: "mended" },
      with: { quarantine: "it was taken back" },
      is: "running/stage_started",
    },
    {
      name: "is refused when the fleet is another than planned",
      spec: { planned: { targeted: 20, stages: [20] } },
      is: "invalid/plan_outdated",
    },
    {
      name: "begins when the fleet is as planned",
      spec: { planned: { targeted: 10, stages: [10] } },
      is: "running/stage_started",
    },
    {
      name: "waits for approvals",
      spec: { approval: two, approvals: by("a") },
      is: "awaiting_approval/approval_needed",
    },
    { name: "begins once approved", spec: { approval: two, approvals: by("a", "b") }, is: "running/stage_started" },
    { name: "waits for its time", spec: timing({ startAtMs: NOW_MS + 1 }), is: "scheduled/start_time" },
    { name: "is cancelled after its time", spec: timing({ endAtMs: NOW_MS }), is: "cancelled/end_time" },
    { name: "waits for a window", spec: timing({ windows }), is: "scheduled/window" },
    {
      name: "waits out a freeze",
      spec: timing({ calendarIds: ["c"] }),
      with: { calendars: [freeze] },
      is: "scheduled/freeze",
    },
    {
      name: "follows the one that has the config",
      with: { peers: { ...NO_PEERS, holder: "other" as typeof holder } }, // any other id
      is: "scheduled/queued",
    },
    {
      name: "goes on when it has the config itself",
      with: { peers: { ...NO_PEERS, holder } },
      is: "running/stage_started",
    },
    { name: "lets a heavier one go first", with: { peers: { ...NO_PEERS, isBehind: true } }, is: "scheduled/queued" },
    {
      name: "waits until a lost fleet state was told again",
      with: { fleetLostAtMs: NOW_MS - 1 },
      is: "scheduled/rebuilding",
    },
    {
      name: "begins some time after a loss",
      with: { fleetLostAtMs: NOW_MS - REBUILD_MS },
      is: "running/stage_started",
    },
    {
      name: "makes way for a newer one",
      with: { peers: { ...NO_PEERS, supersededBy: "other" as typeof holder } }, // any other id
      is: "superseded/superseded",
    },
  ];
  for (const { name, spec = {}, with: rest = {}, is } of cases) {
    it(`${name}: ${is}`, () => {
      const { status, wakeAtMs } = firstPass(spec, { nowMs: NOW_MS, ...rest });
      assert.equal(`${status.phase}/${status.reason}`, is);
      assert.ok(wakeAtMs === null || wakeAtMs > NOW_MS);
      assert.equal(wakeAtMs === null, status.isSettled);
    });
  }

  it("is looked at again when its time comes", () => {
    assert.equal(firstPass(timing({ startAtMs: NOW_MS + 5_000 }), { nowMs: NOW_MS }).wakeAtMs, NOW_MS + 5_000);
  });

  it("need not know before it begins whom another that takes agents at will has on its way", () => {
    const later = timing({ startAtMs: NOW_MS + 48 * HOUR_MS });
    const { wakeAtMs } = firstPass(later, { nowMs: NOW_MS, peers: { ...NO_PEERS, isUnsettled: true } });
    assert.equal(wakeAtMs, NOW_MS + 120_000);
  });

  it("waits again when an approval is withdrawn before it begins", () => {
    const world = aWorld(aFleet(1));
    const later = timing({ startAtMs: NOW_MS + HOUR_MS });
    const rollout = world.start(aRollout(stages(100), { ...later, approval: two, approvals: by("a", "b") }));
    world.settle();
    assert.equal(rollout.status.phase, "scheduled");
    world.wish(rollout, { approvals: by("a") });
    world.settle();
    assert.deepEqual([rollout.status.phase, rollout.status.reason], ["awaiting_approval", "approval_withdrawn"]);
    world.wish(rollout, { approvals: by("a", "c") });
    world.advance(HOUR_MS + 60_000);
    assert.equal(rollout.status.phase, "succeeded");
  });
});

describe("approvers", () => {
  const cases = [
    { name: "count once each", spec: { approvals: by("a", "a", "b") }, is: ["a", "b"] },
    { name: "are others than the author", spec: { approvals: by("a", "b"), author: "a" }, is: ["b"] },
    {
      name: "may be the author where told",
      spec: { approvals: by("a"), author: "a", approval: { ...two, notAuthor: false } },
      is: ["a"],
    },
  ] as const;
  for (const { name, spec, is } of cases) it(name, () => assert.deepEqual(approvers(aRollout([], spec)), is));
});

describe("driftOf", () => {
  const cohort = (count: number, canaries = 0) =>
    Array.from({ length: count }, (_, i) => {
      const labels = { tier: i < canaries ? "canary" : "other" };
      return aCohortAgent(aRollout([]), anAgent({ uid: aUid(i + 1), labels }), false);
    });
  const cases = [
    { name: "a tenth more", planned: [100, 100], now: cohort(110), is: null },
    { name: "more than that", planned: [100, 100], now: cohort(111), is: /made for 100 agents, and 111 match/ },
    { name: "fewer than that", planned: [100, 100], now: cohort(89), is: /and 89 match/ },
    { name: "nobody, still", planned: [0, 0], now: cohort(0), is: null },
    { name: "somebody where nobody was", planned: [0, 0], now: cohort(1), is: /and 1 match/ },
    {
      name: "as many, of whom fewer can take it",
      planned: [100, 0, 120],
      now: cohort(100),
      is: /^stage 2 .* 120 .* 100 now/,
    },
    {
      name: "as many, of whom more are in a stage",
      planned: [100, 5, 100],
      now: cohort(100, 40),
      is: /^stage 1 .* 5 .* 40 now/,
    },
    { name: "one more in a small stage", planned: [100, 5, 100], now: cohort(100, 6), is: null },
  ] as const;
  for (const { name, planned, now, is } of cases) {
    it(`${is === null ? "bears" : "tells"} ${name}`, () => {
      const [targeted, ...sizes] = planned;
      const canary = aStage({ size: { kind: "selector", selector: "tier=canary" } });
      const spec = aRollout(sizes.length === 1 ? stages(100) : [canary, ...stages(100)]);
      const drift = driftOf({ targeted, stages: sizes }, spec, now);
      if (is === null) assert.equal(drift, null);
      else assert.match(drift ?? "", is);
    });
  }
});
