// What operators say.

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
  stages,
} from "./builders.ts";
import type { RolloutSpec, RolloutWish } from "./rollout.ts";

const MINUTE_MS = 60_000;
const NO_BUDGET = { criteria: [], onBreach: "pause" } as const;
const SLOW = aRollout([aStage({ bakeMs: 60 * MINUTE_MS })]);

interface Told {
  readonly world: ModelWorld;
  readonly rollout: ModelRollout;
}

function begun(spec: RolloutSpec = SLOW, world = aWorldWithStable(aFleet(3))): Told {
  const rollout = world.start(spec);
  world.advance(MINUTE_MS);
  return { world, rollout };
}

const PHASES: Readonly<Record<string, () => Told>> = {
  scheduled: () => begun({ ...SLOW, timing: { ...SLOW.timing, startAtMs: 9e12 } }),
  awaiting_approval: () => begun({ ...SLOW, approval: { required: 1, approverRole: "", notAuthor: true } }),
  running: () => begun(),
  paused: () => {
    const told = begun();
    told.world.wish(told.rollout, { wish: "pause" });
    told.world.settle();
    return told;
  },
  succeeded: () => begun(aRollout(stages(100))),
  halted: () => {
    const told = begun();
    told.world.wish(told.rollout, { wish: "abort" });
    told.world.settle();
    return told;
  },
};

describe("a wish", () => {
  const cases: readonly (readonly [wish: RolloutWish, from: string, is: string])[] = [
    ["cancel", "scheduled", "cancelled/cancelled"],
    ["abort", "scheduled", "cancelled/cancelled"],
    ["deny", "scheduled", "cancelled/denied"],
    ["deny", "awaiting_approval", "rejected/denied"],
    ["pause", "scheduled", "scheduled/start_time"],
    ["pause", "running", "paused/manual"],
    ["run", "running", "running/stage_baking"],
    ["run", "paused", "running/resumed"],
    ["abort", "running", "halted/aborted"],
    ["abort", "paused", "halted/aborted"],
    ["revert", "running", "running/stage_baking"],
    ["revert", "succeeded", "reverting/taking_back"],
    ["rollback", "running", "rolling_back/taking_back"],
    // Said of a rollout that ended in the meantime.
    ["pause", "succeeded", "succeeded/completed"],
    ["rollback", "succeeded", "succeeded/completed"],
    ["abort", "succeeded", "succeeded/completed"],
    ["run", "halted", "halted/aborted"],
    ["rollback", "halted", "halted/aborted"],
    ["revert", "halted", "halted/aborted"],
  ];
  for (const [wish, from, is] of cases) {
    it(`${wish} of one that is ${from}: ${is}`, () => {
      const { world, rollout } = (PHASES[from] ?? begun)();
      world.wish(rollout, { wish });
      world.settle();
      assert.equal(`${rollout.status.phase}/${rollout.status.reason}`, is);
      assert.equal(rollout.status.observedGeneration, rollout.spec.generation);
    });
  }

  it("counts once: an older word than the last one says nothing new", () => {
    const { world, rollout } = begun();
    world.wish(rollout, { wish: "pause" });
    world.settle();
    const { status } = rollout;
    rollout.spec = { ...rollout.spec, wish: "run", wishGeneration: 1, generation: 1 };
    world.settle();
    assert.equal(rollout.status, status);
  });

  it("says who said it and why", () => {
    const { world, rollout } = begun();
    world.wish(rollout, { wish: "pause", wishedBy: "ann", wishReason: "lunch" });
    world.settle();
    assert.equal(rollout.status.message, "Paused by ann: lunch");
  });
});

describe("a pause", () => {
  it("keeps everybody from being assigned, and does not keep anybody from being judged", () => {
    const world = aWorld(aFleet(4));
    const rollout = world.start(aRollout(stages(50, 100)));
    world.settle();
    world.wish(rollout, { wish: "pause" });
    world.advance(10 * MINUTE_MS);
    assert.deepEqual([rollout.status.counts.verified, rollout.status.counts.queued], [2, 2]);
  });

  it("proves nothing: the bake time starts over after it", () => {
    const { world, rollout } = begun();
    world.wish(rollout, { wish: "pause" });
    world.advance(90 * MINUTE_MS);
    world.wish(rollout, { wish: "run" });
    world.advance(59 * MINUTE_MS);
    assert.equal(rollout.status.stages[0]?.state, "baking");
    world.advance(2 * MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
  });

  it("of an operator does not end by itself with what else held the rollout", () => {
    const spec = aRollout(stages(100), {
      pace: { ...SLOW.pace, maxPerMinute: 1 },
      timing: { ...SLOW.timing, calendarIds: ["c"] },
    });
    const { world, rollout } = begun(spec);
    const fair = { fromMs: world.nowMs, toMs: world.nowMs + 10 * MINUTE_MS, reason: "fair" };
    world.calendars = [{ id: "c", description: "", recurring: [], freezes: [fair] }];
    world.settle();
    assert.deepEqual([rollout.status.phase, rollout.status.reason], ["paused", "freeze"]);
    world.wish(rollout, { wish: "pause" });
    world.advance(20 * MINUTE_MS);
    assert.deepEqual([rollout.status.phase, rollout.status.reason], ["paused", "manual"]);
    world.wish(rollout, { wish: "run" });
    world.advance(5 * MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
  });

  it("of one that waits for people already leaves it saying what for", () => {
    const world = aWorld(aFleet(1, () => ({ react: () => "rejects" })));
    const rollout = world.start(aRollout(stages(100)));
    world.settle();
    assert.equal(rollout.status.reason, "inconclusive");
    world.wish(rollout, { wish: "pause" });
    world.settle();
    assert.equal(rollout.status.reason, "inconclusive");
  });
});

describe("resuming after failures", () => {
  const failing = (forMs = MINUTE_MS): Told => {
    const bad = new Set([1, 2].map((n) => aUid(n)));
    const world = aWorldWithStable(aFleet(10));
    for (const agent of world.agents.values()) {
      agent.react = (hash) => (hash === aHash() && bad.has(agent.uid) ? "rejects" : "good");
    }
    const rollout = world.start(aRollout(stages(100), { budget: NO_BUDGET }));
    world.advance(forMs);
    if (forMs === MINUTE_MS)
      assert.deepEqual([rollout.status.phase, rollout.status.reason], ["paused", "inconclusive"]);
    return { world, rollout };
  };

  it("pauses again where nobody accepted them: no act raises a limit silently", () => {
    const { world, rollout } = failing();
    world.wish(rollout, { wish: "run" });
    world.advance(MINUTE_MS);
    assert.deepEqual([rollout.status.phase, rollout.status.reason], ["paused", "inconclusive"]);
  });

  it("goes on where an operator accepted them, those and no others, and logs it", () => {
    const { world, rollout } = failing();
    world.wish(rollout, { wish: "run", acceptsFailures: true });
    world.settle();
    assert.deepEqual(rollout.status.acceptedFailures.length, 2);
    assert.ok(rollout.log.some(({ kind, agents }) => kind === "operator" && agents.length === 2));
    assert.equal(rollout.status.phase, "succeeded");
    assert.match(rollout.status.message, /except for 2 failed agents that an operator accepted/);
  });

  for (const afterMs of [100, 3_000, MINUTE_MS]) {
    it(`tries an agent again that an operator names ${afterMs} ms after it failed, and nobody else`, () => {
      const { world, rollout } = failing(afterMs);
      const agent = world.agents.get(aUid(1));
      assert.ok(agent !== undefined);
      assert.equal(rollout.excluded.size, 2);
      agent.react = () => "good";
      world.wish(rollout, { retries: [{ uid: agent.uid, atMs: world.nowMs }] });
      world.settle();
      world.wish(rollout, { wish: "run", acceptsFailures: true });
      world.advance(MINUTE_MS);
      assert.equal(agent.running, aHash());
      assert.deepEqual([...rollout.excluded.keys()], [aUid(2)]);
    });
  }
});
