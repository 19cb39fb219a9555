// Rollouts against the clock, over a real Redis: windows and freezes over three days, starts, deadlines, ends, last watches.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_PACE, DEFAULT_STAGE, DEFAULT_TIMING, type RolloutSpec, type Stage } from "@muster/fleet";
import { aUid, stages } from "@muster/fleet/builders";
import { DAY, HOUR, MINUTE, SECOND, START_MS } from "./scenario-ids.ts";
import { aFleet, bearing, NEW, OLD, reacts, runningBy, useWorlds } from "./scenario-spec.ts";
import type { ScenarioWorld } from "./scenario-world.ts";

const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("a rollout and the clock", () => {
  const worlds = useWorlds();
  const timed = (timing: Partial<RolloutSpec["timing"]>): Partial<RolloutSpec> => ({
    timing: { ...DEFAULT_TIMING, soakMs: 0, finalBakeMs: 0, ...timing },
  });
  const within = (count: number, bakeMs: number): Stage => ({
    ...DEFAULT_STAGE,
    size: { kind: "count", count },
    bakeMs,
  });
  /** From 09:00 to 11:00 in UTC. */
  const mornings = [{ cron: "0 9 * * *", durationMs: 2 * HOUR, timeZone: "UTC" }];
  /** Notes when agents are offered the new revision. */
  const offerTimes = (world: ScenarioWorld): readonly number[] =>
    [...world.agents.values()].flatMap(({ offers }) =>
      offers.filter(({ hash }) => hash === NEW).map(({ atMs }) => atMs),
    );

  it("takes three days in morning windows around a freeze, and nobody is offered anything outside of them", async () => {
    const world = await worlds.openStable(aFleet(10));
    await world.store.calendars.put({
      id: "holidays",
      description: "",
      freezes: [{ fromMs: START_MS + DAY - 8 * HOUR, toMs: START_MS + DAY + 2 * HOUR, reason: "a holiday" }],
      recurring: [],
    });
    const percent = stages(100).map((stage) => ({ ...stage, bakeMs: HOUR }));
    const id = await world.start(2, {
      stages: [within(1, 3 * HOUR), within(5, 3 * HOUR), ...percent],
      ...timed({ windows: mornings, calendarIds: ["holidays"], finalBakeMs: 6 * HOUR }),
    });
    assert.equal(await world.at(id), "scheduled window");
    await world.advanceTo(id, "succeeded", 4 * DAY);
    const hours = offerTimes(world).map((atMs) => ((atMs - START_MS) / HOUR).toFixed(1));
    // Wednesday 09:00 the first; Thursday is a holiday until 10:00, then the second; the last on Friday.
    assert.deepEqual([...new Set(hours)].sort(), ["1.0", "26.0", "49.0"]);
    assert.equal(hours.filter((hour) => hour === "26.0").length, 4);
    const phases = await world.phases(id);
    for (const phase of ["scheduled window", "paused window", "paused freeze"])
      assert.ok(phases.includes(phase), phase);
    assert.deepEqual(runningBy(world), { new: ALL });
    assert.ok([...world.offers(NEW).values()].every((count) => count === 1));
  });

  it("has its window close in mid-stage: agents on their way finish and are judged, the others wait for the next", async () => {
    const world = await worlds.openStable(aFleet(10, (n) => (n === 1 ? reacts("unwell_later") : {})));
    const pace = { ...DEFAULT_PACE, maxPerMinute: 1 };
    const opens = [{ cron: "11 * * * *", durationMs: 4 * MINUTE, timeZone: "UTC" }];
    const id = await world.start(2, { ...bearing(100), ...timed({ windows: opens, soakMs: MINUTE }), pace });
    await world.advance(7 * MINUTE);
    assert.equal(await world.at(id), "paused window");
    assert.equal(world.offers(NEW).size, 4);
    await world.advance(30 * MINUTE);
    assert.equal(world.offers(NEW).size, 4, "nobody is admitted outside of the window");
    const counts = await world.counts(id);
    assert.equal((counts["verified"] ?? 0) + (counts["restored"] ?? 0), 4, "those on their way are through");
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(runningBy(world), { old: [1], new: ALL.slice(1) });
    for (const atMs of offerTimes(world)) assert.ok((atMs / MINUTE) % 60 >= 11 && (atMs / MINUTE) % 60 < 15);
  });

  it("begins at its start time, to the second", async () => {
    const world = await worlds.openStable(aFleet(4));
    const startAtMs = world.nowMs + 30 * HOUR + 17 * SECOND;
    const id = await world.start(2, { stages: stages(100), ...timed({ startAtMs }) });
    assert.equal(await world.at(id), "scheduled start_time");
    await world.advanceTo(id, "succeeded", 2 * DAY);
    assert.deepEqual(
      offerTimes(world),
      Array.from({ length: 4 }, () => startAtMs),
    );
  });

  it("pauses at the deadline of a stage, and has as long again where an operator resumes it", async () => {
    const world = await worlds.openStable(aFleet(4));
    world.agent(aUid(1)).disconnect(world.nowMs);
    const id = await world.start(2, { stages: stages(100), ...timed({ stageDeadlineMs: HOUR }) });
    const beganAtMs = world.nowMs;
    await world.advanceTo(id, "paused");
    assert.equal(world.nowMs, beganAtMs + HOUR);
    assert.equal(await world.at(id), "paused stage_overdue");
    await world.wish(id, { wish: "run" });
    await world.advance(HOUR - 1);
    assert.equal(await world.at(id), "running waiting_for_agents");
    await world.advance(1);
    assert.equal(await world.at(id), "paused stage_overdue");
    world.agent(aUid(1)).connect(world.nowMs);
    await world.wish(id, { wish: "run" });
    await world.advanceTo(id, "succeeded");
  });

  for (const [endBehavior, phase, running] of [
    ["halt", "halted", "new"],
    ["rollback", "rolled_back", "old"],
    ["pause", "paused", "new"],
  ] as const) {
    it(`comes to its end time with "${endBehavior}" and is ${phase}`, async () => {
      const world = await worlds.openStable(aFleet(10));
      const endAtMs = world.nowMs + HOUR;
      const [first, last] = stages(20, 100);
      assert.ok(first !== undefined && last !== undefined);
      const id = await world.start(2, {
        stages: [{ ...first, bakeMs: DAY }, last],
        ...timed({ endAtMs, endBehavior }),
      });
      await world.advanceTo(id, phase);
      const ended = (await world.log(id)).find(({ kind, reason }) => kind === "phase" && reason === "end_time");
      assert.equal(ended?.atMs, endAtMs);
      await world.advance(MINUTE);
      assert.equal((runningBy(world)["new"] ?? []).length, running === "new" ? 2 : 0);
      assert.equal(world.offers(NEW).size, 2);
    });
  }

  it("is cancelled when its end time comes before it could begin", async () => {
    const world = await worlds.openStable(aFleet(2));
    const never = [{ cron: "0 9 1 1 *", durationMs: HOUR, timeZone: "UTC" }];
    const id = await world.start(2, { stages: stages(100), ...timed({ windows: never, endAtMs: world.nowMs + DAY }) });
    await world.advanceTo(id, "cancelled", 2 * DAY);
    assert.equal(await world.at(id), "cancelled end_time");
    assert.deepEqual(await world.store.rollouts.active(), []);
  });

  it("watches the fleet for the last time: one that becomes unwell then takes it back in the first two stages", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { stages: stages(50, 100), ...timed({ finalBakeMs: HOUR }) });
    await world.advanceTo(id, "baking_final");
    await world.advance(30 * MINUTE);
    for (const n of [1, 2, 3]) world.agent(aUid(n)).setHealthy(false, world.nowMs);
    await world.advanceTo(id, "rolled_back");
    assert.deepEqual(runningBy(world), { old: ALL });
    assert.equal((await world.store.rollouts.exclusions(id)).size, 3);
  });

  it("bakes for as long as was asked, and anew when an agent was not good in between", async () => {
    const world = await worlds.openStable(aFleet(10));
    const [first, last] = stages(50, 100);
    assert.ok(first !== undefined && last !== undefined);
    const id = await world.start(2, { stages: [{ ...first, bakeMs: HOUR }, last], ...timed({}) });
    await world.advanceUntil(async () => (await world.status(id)).stages[0]?.state === "baking", MINUTE);
    await world.advance(50 * MINUTE);
    const [early] = world.offers(NEW).keys();
    assert.ok(early !== undefined);
    world.agent(early).setHealthy(false, world.nowMs);
    await world.advance(10 * SECOND);
    assert.equal((await world.status(id)).stages[0]?.state, "converging");
    world.agent(early).setHealthy(true, world.nowMs);
    await world.advance(59 * MINUTE);
    assert.equal((await world.status(id)).stages[0]?.state, "baking");
    await world.advanceTo(id, "succeeded", 5 * MINUTE);
    assert.equal(OLD.length, 64);
  });
});
