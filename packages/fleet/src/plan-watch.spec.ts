// What stops a rollout that runs.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aFleet,
  aHash,
  aRollout,
  aStage,
  aUid,
  aWorld,
  aWorldWithStable,
  type ModelRollout,
  type ModelWorld,
  type Reaction,
  stages,
} from "./builders.ts";
import type { RolloutSpec } from "./rollout.ts";

const MINUTE_MS = 60_000;
const TIMING = aRollout([]).timing;

/** Plays a rollout over agents of which the first `badCount` react badly to it. */
function played(
  spec: RolloutSpec,
  count: number,
  badCount: number,
  how: Reaction = "rejects",
  spanMs = 10 * MINUTE_MS,
) {
  const world = aWorldWithStable(aFleet(count));
  for (let n = 1; n <= badCount; n++) {
    const agent = world.agents.get(aUid(n));
    if (agent !== undefined) agent.react = (hash) => (hash === aHash() ? how : "good");
  }
  const rollout = world.start(spec);
  world.advance(spanMs);
  return { world, rollout };
}

const at = ({ status }: ModelRollout): string => `${status.phase}/${status.reason}`;

describe("the failure budget", () => {
  const criterion = { kinds: [], percent: 10, absolute: null, minSample: 5, window: "rollout" } as const;
  const budget = (onBreach: RolloutSpec["budget"]["onBreach"], change = {}) => ({
    criteria: [{ ...criterion, ...change }],
    onBreach,
  });
  const floor = [aStage({ successMinPercent: 50 })];
  const cases: readonly { name: string; spec: RolloutSpec; count: number; bad: number; is: string }[] = [
    { name: "takes back early stages", spec: aRollout(stages(100)), count: 10, bad: 2, is: "rolled_back/taken_back" },
    {
      name: "halts where told",
      spec: aRollout(stages(100), { budget: budget("halt") }),
      count: 10,
      bad: 2,
      is: "halted/error_budget",
    },
    {
      name: "pauses where told",
      spec: aRollout(stages(100), { budget: budget("pause") }),
      count: 10,
      bad: 2,
      is: "paused/error_budget",
    },
    { name: "bears less than its share", spec: aRollout(floor), count: 20, bad: 1, is: "succeeded/completed" },
    { name: "leaves too few to people", spec: aRollout(stages(100)), count: 3, bad: 1, is: "paused/inconclusive" },
    {
      name: "leaves to people what the stage does not bear",
      spec: aRollout(stages(100)),
      count: 20,
      bad: 1,
      is: "paused/inconclusive",
    },
    {
      name: "leaves to people what it cannot tell from so few, where the stage bears it",
      spec: aRollout(floor),
      count: 3,
      bad: 1,
      is: "paused/inconclusive",
    },
    {
      name: "tells from an earlier stage and the one after it together",
      spec: aRollout([aStage({ size: { kind: "count", count: 20 }, successMinPercent: 50 }), ...floor]),
      count: 22,
      bad: 1,
      is: "succeeded/completed",
    },
    {
      name: "counts only what it is told to",
      spec: aRollout(floor, { budget: budget("halt", { kinds: ["went_dark"] }) }),
      count: 10,
      bad: 3,
      is: "succeeded/completed",
    },
  ];
  for (const { name, spec, count, bad, is } of cases) {
    it(`${name}: ${is}`, () => assert.equal(at(played(spec, count, bad).rollout), is));
  }

  it("cannot tell from so few that fail in the last watch, either, and goes on where people accept that", () => {
    const timing = { ...TIMING, finalBakeMs: 10 * MINUTE_MS };
    const { world, rollout } = played(aRollout(floor, { timing }), 3, 0, "good", MINUTE_MS);
    assert.equal(at(rollout), "baking_final/final_bake");
    world.agents.get(aUid(2))?.setHealthy(false, world.nowMs);
    world.advance(20 * MINUTE_MS);
    assert.equal(at(rollout), "paused/inconclusive");
    assert.match(rollout.status.message, /^1 of 3 agents .* needs 5 to tell .* is unhealthy: it crashed$/);
    const line = rollout.log.find(({ reason }) => reason === "inconclusive");
    assert.deepEqual(line?.inputs, { failed: 1, sample: 3, minSample: 5, verdict: "inconclusive" });
    world.wish(rollout, { wish: "run", acceptsFailures: true });
    world.advance(20 * MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
  });

  it("takes a paused rollout back, too", () => {
    const { world, rollout } = played(aRollout(stages(100)), 10, 3, "silent", 1_000);
    world.wish(rollout, { wish: "pause" });
    world.advance(20 * MINUTE_MS);
    assert.equal(rollout.status.phase, "rolled_back");
  });

  it("names the failures, says an example in full, and logs the figures", () => {
    const { rollout } = played(aRollout(stages(100), { budget: budget("pause") }), 10, 2);
    assert.deepEqual(
      rollout.status.failures.map(({ state, since }) => [state, since]),
      [
        ["failed", "restored"],
        ["failed", "restored"],
      ],
    );
    assert.match(
      rollout.status.message,
      /^2 of 10 agents of the rollout failed; .* Agent [0-9a-f-]{36} failed: it does not start$/,
    );
    const line = rollout.log.find(({ kind, reason }) => kind === "phase" && reason === "error_budget");
    assert.deepEqual(line?.inputs, { failed: 2, sample: 10, verdict: "fail", action: "pause", stage: 0 });
  });
});

describe("an agent that the revision fails", () => {
  const cases: readonly (readonly [how: Reaction, state: string])[] = [
    ["rejects", "failed"],
    ["crash_loops", "failed"],
    ["goes_back", "self_rolled_back"],
    ["silent", "timed_out"],
    ["unwell_later", "unhealthy"],
    ["part_unwell", "unhealthy"],
  ];
  for (const [how, state] of cases) {
    it(`is given back what it had when it ${how.replace("_", " ")}, whatever becomes of the others`, () => {
      const soaking = { ...TIMING, soakMs: 5 * MINUTE_MS };
      const { world, rollout } = played(aRollout(stages(100), { timing: soaking }), 1, 1, how, 20 * MINUTE_MS);
      assert.deepEqual(
        [...rollout.excluded.values()].map((each) => each.state),
        [state],
      );
      assert.equal(rollout.status.counts.restored, 1);
      assert.equal(world.agents.get(aUid(1))?.running, aHash("1"));
    });
  }

  it("gets it when it is back, where it went dark", () => {
    const { world, rollout } = played(aRollout(stages(100)), 1, 1, "dies");
    assert.deepEqual([rollout.excluded.get(aUid(1))?.state, rollout.status.counts.restore_offered], ["went_dark", 1]);
    world.agents.get(aUid(1))?.connect(world.nowMs);
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.counts.restored, 1);
  });

  it("is no failure when it restarts once, or takes a second offer", () => {
    const retry = { ...aRollout([]).retry, maxAttempts: 2 };
    for (const how of ["restarts", "slow"] as const) {
      assert.equal(
        at(played(aRollout(stages(100), { retry }), 1, 1, how, 20 * MINUTE_MS).rollout),
        "succeeded/completed",
      );
    }
  });
});

describe("a storm", () => {
  const zoned = (): ModelWorld => aWorld(aFleet(12, (n) => ({ labels: { zone: n <= 6 ? "a" : "b" } })));
  const spec = aRollout([aStage({ bakeMs: 60 * MINUTE_MS })], { pace: { ...aRollout([]).pace, domainKey: "zone" } });
  const stormy = () => {
    const world = zoned();
    const rollout = world.start(spec);
    world.advance(MINUTE_MS);
    const lost = [...world.agents.values()].filter(({ labels }) => labels["zone"] === "a");
    for (const agent of lost) agent.disconnect(world.nowMs);
    world.advance(10 * MINUTE_MS);
    return { world, rollout, lost };
  };

  it("pauses, fails nobody and takes nothing back", () => {
    const { rollout } = stormy();
    assert.equal(at(rollout), "paused/storm");
    assert.match(rollout.status.message, /6 of 6 agents of domain a are dark/);
    assert.equal(rollout.excluded.size, 0);
  });

  it("is over when they are back", () => {
    const { world, rollout, lost } = stormy();
    for (const agent of lost) agent.connect(world.nowMs);
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.phase, "running");
    assert.ok(rollout.log.some(({ reason }) => reason === "storm_over"));
    world.advance(90 * MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
  });

  it("is nothing any more to a rollout that is resumed in spite of it", () => {
    const { world, rollout } = stormy();
    world.wish(rollout, { wish: "run" });
    world.settle();
    assert.deepEqual(rollout.status.acceptedStorms, ["domain a"]);
    assert.equal(rollout.excluded.size, 6);
  });
});

describe("time", () => {
  const silent = (change: Partial<RolloutSpec["timing"]>) =>
    played(aRollout(stages(100), { timing: { ...TIMING, applyTimeoutMs: 60 * MINUTE_MS, ...change } }), 4, 1, "silent");
  const end = aWorld([]).nowMs + 5 * MINUTE_MS;
  const cases = [
    {
      name: "a stage past its deadline pauses",
      timing: { stageDeadlineMs: 5 * MINUTE_MS },
      is: "paused/stage_overdue",
    },
    { name: "the end time halts", timing: { endAtMs: end }, is: "halted/end_time" },
    { name: "the end time pauses where told", timing: { endAtMs: end, endBehavior: "pause" }, is: "paused/end_time" },
    {
      name: "the end time takes back where told",
      timing: { endAtMs: end, endBehavior: "rollback" },
      is: "rolled_back/taken_back",
    },
  ] as const;
  for (const { name, timing, is } of cases) it(`${name}: ${is}`, () => assert.equal(at(silent(timing).rollout), is));

  it("gives a stage as long again when it is resumed", () => {
    const { world, rollout } = silent({ stageDeadlineMs: 5 * MINUTE_MS });
    world.wish(rollout, { wish: "run" });
    world.advance(4 * MINUTE_MS);
    assert.equal(rollout.status.phase, "running");
    world.advance(2 * MINUTE_MS);
    assert.equal(rollout.status.reason, "stage_overdue");
  });
});

describe("an approval that is withdrawn under way", () => {
  it("pauses, and another lets it go on", () => {
    const approval = { required: 1, approverRole: "", notAuthor: true };
    const approvals = [{ by: "a", atMs: 0, remark: "" }];
    const world = aWorld(aFleet(2));
    const rollout = world.start(aRollout([aStage({ bakeMs: 5 * MINUTE_MS })], { approval, approvals }));
    world.advance(MINUTE_MS);
    world.wish(rollout, { approvals: [] });
    world.advance(MINUTE_MS);
    assert.equal(at(rollout), "paused/approval_withdrawn");
    world.wish(rollout, { approvals });
    world.advance(10 * MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
  });
});
