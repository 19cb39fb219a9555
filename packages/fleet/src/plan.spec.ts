// A pass as a whole: what it answers, twice the same, and beside another worker.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aFleet, aHash, aRollout, aStage, aUid, aWorld, aWorldWithStable, stages } from "./builders.ts";
import { plan } from "./plan.ts";
import { DEFAULT_PACE } from "./rollout-defaults.ts";

const MINUTE_MS = 60_000;

describe("a pass", () => {
  it("answers the very same status and wave when nothing changed", () => {
    const world = aWorld(aFleet(20));
    const rollout = world.start(aRollout(stages(10, 100), { pace: { ...DEFAULT_PACE, maxInFlight: 3 } }));
    world.settle();
    const { plan: again, input } = world.draft(rollout);
    assert.equal(again.status, input.status);
    assert.equal(again.wave, input.wave);
    assert.deepEqual(again.decisions, []);
  });

  it("is looked at again later than now, until it is settled", () => {
    const world = aWorld(aFleet(3));
    const rollout = world.start(aRollout(stages(100)));
    for (let i = 0; i < 5; i++) {
      const { wakeAtMs } = world.draft(rollout).plan;
      assert.ok(wakeAtMs !== null && wakeAtMs > world.nowMs);
      world.settle();
    }
    world.advance(MINUTE_MS);
    assert.equal(world.draft(rollout).plan.wakeAtMs, null);
  });

  it("changes the status whenever it logs: who cannot write that has not decided it", () => {
    const world = aWorld(aFleet(60, () => ({ react: () => "rejects" })));
    const rollout = world.start(aRollout(stages(100), { budget: { criteria: [], onBreach: "pause" } }));
    world.observer = {
      onCommit: ({ plan: next, input }) => assert.ok(next.decisions.length === 0 || next.status !== input.status),
    };
    world.advance(MINUTE_MS);
    assert.equal(
      rollout.log.filter(({ kind }) => kind === "agent").length,
      51,
      "50 one by one, the others in one line",
    );
  });

  it("does nothing for one that was taken back and is settled", () => {
    const world = aWorld(aFleet(1));
    const rollout = world.start(aRollout(stages(100)));
    world.wish(rollout, { wish: "rollback" });
    world.advance(MINUTE_MS);
    const { input } = world.draft(rollout);
    assert.equal(plan({ ...input, cohort: [] }).status, input.status);
  });
});

describe("two workers", () => {
  it("that read the same write once", () => {
    const world = aWorld(aFleet(20));
    const rollout = world.start(aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxInFlight: 3 } }));
    const [one, other] = [world.draft(rollout), world.draft(rollout)];
    assert.deepEqual([world.commit(other), world.commit(one)], [true, false]);
    assert.equal(rollout.wave.length, 3);
    assert.equal(rollout.log.filter(({ kind }) => kind === "wave").length, 1);
  });

  it("of which one dies between its writes lose nobody", () => {
    const world = aWorld(aFleet(20));
    const rollout = world.start(aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxInFlight: 3 } }));
    world.commit(world.draft(rollout)); // and nothing is assigned
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
    assert.ok([...world.agents.values()].every(({ offers }) => offers.length === 1));
  });
});

describe("an agent", () => {
  it("that leaves before it could be told makes room for another", () => {
    const world = aWorld(aFleet(2));
    const rollout = world.start(aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxInFlight: 1 } }));
    world.commit(world.draft(rollout));
    const [first] = rollout.wave;
    assert.ok(first !== undefined);
    world.assign();
    world.agents.get(first.uid)?.disconnect(world.nowMs);
    world.relay();
    const { untold } = world.draft(rollout).plan;
    assert.deepEqual(untold, [first.uid]);
    world.advance(MINUTE_MS);
    assert.deepEqual([rollout.status.counts.verified, rollout.status.counts.offline_deferred], [1, 1]);
  });

  it("that turns up at another gateway is not offered anything twice", () => {
    const world = aWorld(aFleet(1));
    const rollout = world.start(aRollout([aStage({ bakeMs: MINUTE_MS })]));
    world.advance(10_000);
    world.agents.get(aUid(1))?.connect(world.nowMs, "gw-2");
    world.advance(2 * MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
    assert.equal(world.agents.get(aUid(1))?.offers.length, 1);
  });

  it("that is deleted or leaves the selector in mid-stage is missed no more", () => {
    const world = aWorld(aFleet(3, () => ({ labels: { env: "prod" } })));
    for (const agent of world.agents.values()) agent.react = (hash) => (hash === aHash() ? "silent" : "good");
    const timing = { ...aRollout([]).timing, applyTimeoutMs: 60 * MINUTE_MS };
    const rollout = world.start(aRollout(stages(100), { selector: "env=prod", timing }));
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.counts.offered, 3);
    world.remove(aUid(1));
    world.agents.get(aUid(2))?.describe({ env: "dev" }, world.nowMs);
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.counts.offered, 1);
  });

  it("that takes no configs is left alone, and holds nobody up", () => {
    const world = aWorld(aFleet(3, (n) => (n === 1 ? { capabilities: ["ReportsStatus"] } : {})));
    const rollout = world.start(aRollout(stages(100)));
    world.advance(MINUTE_MS);
    assert.deepEqual([rollout.status.phase, rollout.status.counts.incapable], ["succeeded", 1]);
    assert.ok(!world.desired.has(aUid(1)));
  });

  it("that is the only one is a rollout, too", () => {
    const world = aWorldWithStable(aFleet(1));
    const rollout = world.start(aRollout(stages(1, 10, 100)));
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.phase, "succeeded");
    assert.deepEqual(
      rollout.status.stages.map(({ state }) => state),
      ["passed", "skipped", "skipped"],
    );
  });
});
