// A rollout that is taken back.

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
  type ModelWorld,
  stages,
} from "./builders.ts";
import { BLANK } from "./compose.ts";
import { parseRolloutId } from "./ids.ts";
import type { RolloutSpec } from "./rollout.ts";

const MINUTE_MS = 60_000;
const SLOW = aRollout([aStage({ bakeMs: 60 * MINUTE_MS })]);

function takenBack(world: ModelWorld, spec: RolloutSpec = SLOW, meanwhile: (world: ModelWorld) => void = () => {}) {
  const rollout = world.start(spec);
  world.advance(MINUTE_MS);
  meanwhile(world);
  world.wish(rollout, { wish: "rollback" });
  world.advance(10 * MINUTE_MS);
  return rollout;
}

const running = (world: ModelWorld): readonly string[] => [
  ...new Set([...world.agents.values()].map((agent) => agent.running)),
];

describe("taking back", () => {
  it("gives everybody what is stable", () => {
    const world = aWorldWithStable(aFleet(6));
    const rollout = takenBack(world);
    assert.deepEqual([rollout.status.phase, rollout.status.isSettled], ["rolled_back", true]);
    assert.deepEqual(running(world), [aHash("1")]);
    assert.equal(rollout.status.counts.rolled_back, 6);
  });

  it("gives the blank config to those that had nothing before", () => {
    const world = aWorld(aFleet(3));
    assert.equal(takenBack(world).status.phase, "rolled_back");
    assert.deepEqual(running(world), [BLANK.hash]);
  });

  it("sends nothing to those that it never reached", () => {
    const world = aWorldWithStable(aFleet(10));
    takenBack(world, aRollout([aStage({ size: { kind: "percent", percent: 30 }, bakeMs: 60 * MINUTE_MS }), aStage()]));
    const offers = [...world.agents.values()].map((agent) => agent.offers.length).sort();
    assert.deepEqual(offers, [...Array(7).fill(1), ...Array(3).fill(3)]);
  });

  it("is done without those that are away, who get it when they are back", () => {
    const world = aWorldWithStable(aFleet(4));
    const rollout = takenBack(world, SLOW, () => world.agents.get(aUid(1))?.disconnect(world.nowMs));
    assert.equal(rollout.status.phase, "rolled_back");
    assert.match(rollout.status.message, /1 are offline and get it when they return/);
    world.agents.get(aUid(1))?.connect(world.nowMs);
    world.advance(MINUTE_MS);
    assert.deepEqual(running(world), [aHash("1")]);
  });

  it("says that it is not complete where what they had before fails agents", () => {
    const world = aWorldWithStable(aFleet(4));
    const rollout = takenBack(world, SLOW, () => {
      const agent = world.agents.get(aUid(1));
      if (agent !== undefined) agent.react = () => "rejects";
    });
    assert.deepEqual([rollout.status.phase, rollout.status.counts.rollback_failed], ["rollback_incomplete", 1]);
  });

  it("asks no gate and waits for no window", () => {
    const freeze = { fromMs: 0, toMs: 9e12, reason: "fair" };
    const world = aWorldWithStable(aFleet(4));
    const rollout = takenBack(world, { ...SLOW, timing: { ...SLOW.timing, calendarIds: ["c"] } }, () => {
      world.calendars = [{ id: "c", description: "", recurring: [], freezes: [freeze] }];
    });
    assert.equal(rollout.status.phase, "rolled_back");
  });

  it("never ends on a rollout that ended half-way", () => {
    const world = aWorldWithStable(aFleet(4));
    const half = world.start(SLOW);
    world.advance(MINUTE_MS);
    world.wish(half, { wish: "abort" });
    world.advance(MINUTE_MS);
    const id = parseRolloutId("01890a5d-0000-7000-8000-000000000002");
    takenBack(world, { ...SLOW, id, hash: aHash("3"), revision: 3 });
    assert.deepEqual(running(world), [aHash("1")]);
  });

  it("of a way back is not to be had: what is taken back stays so", () => {
    const world = aWorldWithStable(aFleet(2));
    const rollout = takenBack(world);
    world.wish(rollout, { wish: "run" });
    world.advance(MINUTE_MS);
    assert.equal(rollout.status.phase, "rolled_back");
  });
});

describe("reverting a success", () => {
  it("makes stable again what was before", () => {
    const world = aWorldWithStable(aFleet(4));
    const rollout = world.start(aRollout(stages(100)));
    world.advance(5 * MINUTE_MS);
    world.wish(rollout, { wish: "revert" });
    world.advance(5 * MINUTE_MS);
    assert.equal(rollout.status.phase, "reverted");
    assert.deepEqual(running(world), [aHash("1")]);
    const late = world.add({ uid: aUid(99) });
    world.advance(MINUTE_MS);
    assert.equal(late.running, aHash("1"));
  });
});

describe("another rollout of the config", () => {
  const id = parseRolloutId("01890a5d-0000-7000-8000-000000000002");
  const next = aRollout(stages(100), { id, hash: aHash("3"), revision: 3 });

  it("waits in the queue until the first is through", () => {
    const world = aWorldWithStable(aFleet(2));
    const first = world.start(SLOW);
    const second = world.start({ ...next, onConflict: "queue" });
    world.advance(MINUTE_MS);
    assert.deepEqual([second.status.phase, second.status.reason], ["scheduled", "queued"]);
    world.wish(first, { wish: "abort" });
    world.advance(5 * MINUTE_MS);
    assert.equal(second.status.phase, "succeeded");
  });

  it("takes its place where told, at any time", () => {
    for (const spanMs of [0, MINUTE_MS]) {
      const world = aWorldWithStable(aFleet(2));
      const first = world.start(SLOW);
      world.advance(spanMs);
      const second = world.start({ ...next, onConflict: "supersede" });
      world.advance(5 * MINUTE_MS);
      assert.deepEqual([first.status.phase, second.status.phase], ["superseded", "succeeded"]);
      assert.deepEqual(running(world), [aHash("3")]);
    }
  });
});
