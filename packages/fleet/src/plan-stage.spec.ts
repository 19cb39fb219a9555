// A stage on its way.

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
  stages,
} from "./builders.ts";
import type { RolloutSpec, Stage } from "./rollout.ts";

const MINUTE_MS = 60_000;
const TIMING = aRollout([]).timing;
const states = ({ status }: ModelRollout): string => status.stages.map(({ state }) => state).join();
const at = ({ status }: ModelRollout): string => `${status.phase}/${status.reason}`;

describe("stages", () => {
  it("reach exactly 5, 25 and 50 of 50 agents with 10, 50 and 100 percent", () => {
    const world = aWorld(aFleet(50));
    const rollout = world.start(aRollout(stages(10, 50, 100)));
    const reached = new Set<number>();
    world.observer = {
      onRest: () => reached.add([...world.agents.values()].filter(({ offers }) => offers.length > 0).length),
    };
    world.advance(5 * MINUTE_MS);
    assert.deepEqual([...reached], [5, 25, 50]);
    assert.equal(at(rollout), "succeeded/completed");
    assert.deepEqual(
      rollout.status.stages.map(({ size }) => size),
      [5, 25, 50],
    );
    assert.equal(rollout.status.counts.verified, 50);
  });

  const cases: readonly { name: string; of: readonly Stage[]; is: string }[] = [
    { name: "are skipped that reach nobody more", of: stages(50, 50, 100), is: "passed,skipped,passed" },
    {
      name: "are skipped whose selector matches nobody",
      of: [aStage({ size: { kind: "selector", selector: "env=none" } }), aStage()],
      is: "skipped,passed",
    },
  ];
  for (const { name, of, is } of cases) {
    it(name, () => {
      const world = aWorld(aFleet(4));
      const rollout = world.start(aRollout(of));
      world.advance(5 * MINUTE_MS);
      assert.equal(states(rollout), is);
    });
  }

  it("are skipped whose agents all have the revision already", () => {
    const world = aWorldWithStable(aFleet(4));
    const rollout = world.start(aRollout(stages(50, 100), { hash: aHash("1") }));
    world.advance(MINUTE_MS);
    assert.equal(states(rollout), "skipped,skipped");
    assert.equal(at(rollout), "succeeded/completed");
    assert.ok([...world.agents.values()].every(({ offers }) => offers.length === 1));
  });

  it("are through at once for nobody", () => {
    const world = aWorld([]);
    const rollout = world.start(aRollout(stages(10, 100)));
    world.settle();
    assert.equal(at(rollout), "succeeded/completed");
  });

  it("do not pass on silence", () => {
    const timing = { ...TIMING, applyTimeoutMs: 60 * MINUTE_MS };
    const world = aWorld(aFleet(10, () => ({ react: () => "silent" })));
    const rollout = world.start(aRollout(stages(10, 100), { timing }));
    world.advance(30 * MINUTE_MS);
    assert.deepEqual([states(rollout), rollout.status.counts.offered], ["converging,pending", 1]);
  });

  it("do not pass when all of their agents are gone", () => {
    const world = aWorld(aFleet(2));
    const rollout = world.start(aRollout([aStage({ size: { kind: "count", count: 2 }, bakeMs: MINUTE_MS }), aStage()]));
    world.advance(10_000);
    for (const agent of [...world.agents.values()]) world.remove(agent.uid);
    world.advance(10 * MINUTE_MS);
    assert.equal(at(rollout), "running/waiting_for_agents");
    assert.equal(states(rollout), "converging,pending");
  });
});

describe("the verdict on a stage", () => {
  it("is logged with what it rests on, whatever it is", () => {
    const world = aWorld(aFleet(20, (n) => ({ isAway: n === 3 })));
    const rollout = world.start(aRollout([aStage({ size: { kind: "percent", percent: 50 } }), aStage()]));
    world.advance(60 * MINUTE_MS);
    const verdicts = rollout.log.filter(({ reason }) => reason === "stage_passed" || reason === "completed");
    assert.deepEqual(
      verdicts.map(({ reason, inputs }) => [reason, inputs]),
      [
        ["stage_passed", { good: 9, reached: 10, failed: 0, accepted: 0 }],
        ["stage_passed", { good: 19, reached: 20, failed: 0, accepted: 0 }],
        ["completed", { good: 19, reached: 20, failed: 0, accepted: 0 }],
      ],
    );
    assert.match(verdicts[1]?.message ?? "", /passed: 19 of 20 agents are good/);
  });
});

describe("a stage that bakes", () => {
  const baking = () => {
    const world = aWorld(aFleet(4));
    const rollout = world.start(
      aRollout([aStage({ size: { kind: "percent", percent: 50 }, bakeMs: 10 * MINUTE_MS }), aStage()]),
    );
    world.advance(MINUTE_MS);
    assert.equal(states(rollout), "baking,pending");
    return { world, rollout };
  };

  it("passes after its bake time", () => {
    const { world, rollout } = baking();
    world.advance(10 * MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
  });

  it("starts over when an agent is unwell for a moment", () => {
    const { world, rollout } = baking();
    const [agent] = [...world.agents.values()].filter(({ running }) => running === aHash());
    agent?.setHealthy(false, world.nowMs);
    world.settle();
    assert.equal(states(rollout), "converging,pending");
    world.advance(10_000);
    agent?.setHealthy(true, world.nowMs);
    world.advance(9 * MINUTE_MS);
    assert.equal(states(rollout), "baking,pending");
    world.advance(3 * MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
  });
});

describe("agents that are away", () => {
  const away = (n: number) => ({ isAway: n <= 2 });
  const cases: readonly { name: string; policies: Partial<RolloutSpec["policies"]>; is: string }[] = [
    { name: "hold a stage that has not reached enough", policies: {}, is: "running/waiting_for_agents" },
    { name: "do not hold one that has", policies: { minReachedPercent: 50 }, is: "succeeded/completed" },
    { name: "are not there where told", policies: { offline: "exclude" }, is: "succeeded/completed" },
    { name: "fail where told", policies: { offline: "fail" }, is: "paused/error_budget" },
  ];
  for (const { name, policies, is } of cases) {
    it(`${name}: ${is}`, () => {
      const world = aWorld(aFleet(6, away));
      const base = aRollout([]);
      const rollout = world.start(
        aRollout(stages(100), {
          policies: { ...base.policies, ...policies },
          budget: { ...base.budget, onBreach: "pause" },
        }),
      );
      world.advance(5 * MINUTE_MS);
      assert.equal(at(rollout), is);
    });
  }

  for (const [catchUpAfterSuccess, is] of [
    [true, aHash()],
    [false, aHash("1")],
  ] as const) {
    it(`${catchUpAfterSuccess ? "get" : "do not get"} the revision when they are back after the success`, () => {
      const world = aWorldWithStable(aFleet(6));
      for (const n of [1, 2]) world.agents.get(aUid(n))?.disconnect(world.nowMs);
      const policies = { ...aRollout([]).policies, minReachedPercent: 50, catchUpAfterSuccess };
      const rollout = world.start(aRollout(stages(100), { policies }));
      world.advance(5 * MINUTE_MS);
      assert.equal(rollout.status.phase, "succeeded");
      for (const n of [1, 2]) world.agents.get(aUid(n))?.connect(world.nowMs);
      world.advance(MINUTE_MS);
      assert.deepEqual(
        [1, 2].map((n) => world.agents.get(aUid(n))?.running),
        [is, is],
      );
    });
  }

  it("are caught up within the stage when they are back", () => {
    const world = aWorld(aFleet(6, away));
    const rollout = world.start(aRollout(stages(100)));
    world.advance(5 * MINUTE_MS);
    for (const agent of world.agents.values()) if (!agent.isConnected) agent.connect(world.nowMs);
    world.advance(MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
  });
});

describe("windows and freezes", () => {
  const freeze = (fromMs: number, toMs: number) => [
    { id: "c", description: "", recurring: [], freezes: [{ fromMs, toMs, reason: "fair" }] },
  ];
  const spec = aRollout(stages(100), {
    pace: { ...aRollout([]).pace, maxPerMinute: 1 },
    timing: { ...TIMING, calendarIds: ["c"] },
  });

  it("keep anybody from being assigned, and end by themselves", () => {
    const world = aWorld(aFleet(4));
    const rollout = world.start(spec);
    world.advance(10_000);
    world.calendars = freeze(world.nowMs, world.nowMs + 10 * MINUTE_MS);
    world.advance(9 * MINUTE_MS);
    assert.equal(at(rollout), "paused/freeze");
    assert.equal([...world.agents.values()].filter(({ offers }) => offers.length > 0).length, 1);
    world.advance(5 * MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
    assert.ok(rollout.log.some(({ reason }) => reason === "window_open"));
  });

  it("do not keep a stage from passing that was assigned", () => {
    const world = aWorld(aFleet(1));
    const rollout = world.start(spec);
    world.settle();
    world.calendars = freeze(world.nowMs, world.nowMs + 60 * MINUTE_MS);
    world.advance(MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
  });
});

describe("a loss of the fleet state", () => {
  it("moves nothing until the agents told it again, and offers nobody what it has", () => {
    const world = aWorldWithStable(aFleet(6));
    const rollout = world.start(
      aRollout([aStage({ size: { kind: "percent", percent: 50 }, bakeMs: 10 * MINUTE_MS }), aStage()]),
    );
    world.advance(MINUTE_MS);
    const offers = (): number => [...world.agents.values()].reduce((sum, agent) => sum + agent.offers.length, 0);
    const before = offers();
    world.loseFleetState();
    world.advance(30_000);
    assert.deepEqual([at(rollout), offers()], ["running/rebuilding", before]);
    world.advance(20 * MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
    assert.equal(offers(), before + 3);
  });
});

describe("newcomers", () => {
  for (const [newAgents, is] of [
    ["by_rank", aHash()],
    ["stable", aHash("1")],
    ["hold", ""],
  ] as const) {
    it(`get ${is === "" ? "nothing" : is.slice(0, 1)} while the rollout bakes where the policy says ${newAgents}`, () => {
      const world = aWorldWithStable(aFleet(2));
      const policies = { ...aRollout([]).policies, newAgents };
      world.start(aRollout([aStage({ bakeMs: 60 * MINUTE_MS })], { policies }));
      world.advance(MINUTE_MS);
      const time = world.nowMs.toString(16).padStart(12, "0");
      const uid = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000001` as ReturnType<typeof aUid>; // a UUIDv7 of now
      const agent = world.add({ uid });
      world.advance(MINUTE_MS);
      assert.equal(agent.running, is);
    });
  }
});

describe("promotion", () => {
  it("is waited for, by as many people as it takes", () => {
    const world = aWorld(aFleet(4));
    const rollout = world.start(
      aRollout([aStage({ size: { kind: "count", count: 1 }, promotions: 2 }), aStage()], { author: "ann" }),
    );
    world.advance(MINUTE_MS);
    assert.equal(at(rollout), "running/stage_promotion");
    const promotions = ["ann", "ben", "ben", "cyd"].map((by) => ({ by, atMs: 0, remark: "", stage: 0 }));
    for (const [count, state] of [
      [3, "awaiting_promotion"],
      [4, "passed"],
    ] as const) {
      world.wish(rollout, { promotions: promotions.slice(0, count) });
      world.settle();
      assert.equal(rollout.status.stages[0]?.state, state);
    }
  });
});
