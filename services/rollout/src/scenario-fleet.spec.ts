// What a fleet does while a rollout is under way: agents come, change, vanish, stay away; zones go dark.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  DEFAULT_BUDGET,
  DEFAULT_PACE,
  DEFAULT_POLICIES,
  DEFAULT_TIMING,
  type InstanceUid,
  type Policies,
} from "@muster/fleet";
import { aHash, aUid, stages } from "@muster/fleet/builders";
import { DAY, HOUR, MINUTE, uidOf } from "./scenario-ids.ts";
import { aFleet, NEW, NO_BUDGET, OLD, reacts, runningBy, tolerant, useWorlds } from "./scenario-spec.ts";
import type { ScenarioWorld } from "./scenario-world.ts";

describe("a fleet under a rollout", () => {
  const worlds = useWorlds();
  const baking = (...percents: readonly number[]) => stages(...percents).map((stage) => ({ ...stage, bakeMs: HOUR }));

  /** An agent that comes to be while stage 2 of a rollout bakes, and what it is given then and after the success. */
  async function newcomer(newAgents: Policies["newAgents"]) {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { stages: baking(20, 100), policies: { ...DEFAULT_POLICIES, newAgents } });
    await world.advanceUntil(async () => (await world.status(id)).stages[1]?.state === "baking", DAY);
    const uid = uidOf(world.nowMs, 1);
    world.add({ uid });
    await world.advance(10 * MINUTE);
    const first = (await world.desired(uid))?.hash ?? null;
    await world.advanceTo(id, "succeeded");
    await world.advance(5 * MINUTE);
    return { first, offers: world.agent(uid).offers.map(({ hash }) => hash), world };
  }
  it("has a newcomer in stage 2 that gets the revision by its rank", async () => {
    assert.deepEqual((await newcomer("by_rank")).offers, [NEW]);
  });
  it("has a newcomer in stage 2 that gets the stable revision, and the new one after the success", async () => {
    const { first, offers } = await newcomer("stable");
    assert.deepEqual([first, offers], [OLD, [OLD, NEW]]);
  });
  it("has a newcomer in stage 2 that is held until the rollout is over", async () => {
    const { first, offers } = await newcomer("hold");
    assert.deepEqual([first, offers], [null, [NEW]]);
  });
  it("has a newcomer whose rank is of a later stage: it gets the stable revision first", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { stages: baking(10, 100) });
    await world.advance(10 * MINUTE);
    const newcomers = Array.from({ length: 10 }, (_, i) => uidOf(world.nowMs, i));
    for (const uid of newcomers) world.add({ uid });
    await world.advance(10 * MINUTE);
    const early = newcomers.filter((uid) => world.agent(uid).running === NEW);
    assert.ok(early.length < 5, `${early.length} of ten are in the first tenth`);
    assert.equal(newcomers.filter((uid) => world.agent(uid).running === OLD).length, 10 - early.length);
    await world.advanceTo(id, "succeeded");
    assert.ok(newcomers.every((uid) => world.agent(uid).running === NEW));
  });

  it("has an agent that changes its labels out of the selector in mid-stage: it gets what others have, and is missed by nobody", async () => {
    const world = await worlds.openStable(aFleet(4, () => ({ labels: { env: "prod" } })));
    const id = await world.start(2, { stages: baking(100), selector: "env=prod" });
    await world.advance(MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 4 });
    world.agent(aUid(2)).describe({ env: "dev" }, world.nowMs);
    await world.advance(5 * MINUTE);
    assert.equal((await world.desired(aUid(2)))?.hash, OLD, "it goes back to what is for everybody");
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(await world.counts(id), { verified: 3, removed: 1 });
    assert.deepEqual(runningBy(world), { new: [1, 3, 4], old: [2] });
  });

  it("has an agent that is deleted in mid-stage: the stage goes on without it", async () => {
    const world = await worlds.openStable(aFleet(4, (n) => (n === 3 ? reacts("silent") : {})));
    const id = await world.start(2, { stages: stages(100) });
    await world.advance(MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 3, offered: 1 });
    world.remove(aUid(3));
    await world.advanceTo(id, "succeeded", 5 * MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 3 });
  });

  it("has 30 % of a stage offline for a week: the stage waits and says so, and is through when they are back", async () => {
    const world = await worlds.openStable(aFleet(10));
    for (const n of [1, 2, 3]) world.agent(aUid(n)).disconnect(world.nowMs);
    const id = await world.start(2, { stages: stages(100) });
    await world.advance(7 * DAY);
    assert.equal(await world.at(id), "running waiting_for_agents");
    assert.match((await world.status(id)).message, /7 agents .*, 9 are needed; the others are offline/);
    assert.deepEqual(await world.counts(id), { verified: 7, offline_deferred: 3 });
    for (const n of [1, 2]) world.agent(aUid(n)).connect(world.nowMs);
    await world.advanceTo(id, "succeeded", 10 * MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 9, offline_deferred: 1 });
  });

  it("has 30 % of a stage offline where that is excluded from the count: the stage is through without them", async () => {
    const world = await worlds.openStable(aFleet(10));
    for (const n of [1, 2, 3]) world.agent(aUid(n)).disconnect(world.nowMs);
    const policies = { ...DEFAULT_POLICIES, offline: "exclude" as const };
    const id = await world.start(2, { stages: stages(100), policies });
    await world.advanceTo(id, "succeeded", 10 * MINUTE);
  });

  it("has 30 % of a stage offline where that is a failure: the budget speaks", async () => {
    const world = await worlds.openStable(aFleet(10));
    for (const n of [1, 2, 3]) world.agent(aUid(n)).disconnect(world.nowMs);
    const policies = { ...DEFAULT_POLICIES, offline: "fail" as const };
    const id = await world.start(2, { stages: stages(100), policies });
    await world.advanceTo(id, "rolled_back", 10 * MINUTE);
    assert.deepEqual(runningBy(world), { old: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
  });

  it("catches up those who were offline once the rollout succeeded, and leaves them where it must not", async () => {
    for (const catchUpAfterSuccess of [true, false]) {
      await worlds.server.restart();
      const world = await worlds.openStable(aFleet(20));
      world.agent(aUid(5)).disconnect(world.nowMs);
      const policies = { ...DEFAULT_POLICIES, catchUpAfterSuccess };
      await world.advanceTo(await world.start(2, { stages: stages(100), policies }), "succeeded");
      await world.advance(HOUR);
      world.agent(aUid(5)).connect(world.nowMs);
      await world.advance(10 * MINUTE);
      assert.equal(world.agent(aUid(5)).running, catchUpAfterSuccess ? NEW : OLD);
    }
  });

  it("catches up within its limits, not all at once, and not while a calendar forbids it", async () => {
    const world = await worlds.openStable(aFleet(20));
    const away = [1, 2, 3, 4, 5, 6].map(aUid);
    for (const uid of away) world.agent(uid).disconnect(world.nowMs);
    const policies = { ...DEFAULT_POLICIES, minReachedPercent: 50 };
    const pace = { ...DEFAULT_PACE, maxPerMinute: 2 };
    const timing = { ...DEFAULT_TIMING, calendarIds: ["freezes"] };
    const id = await world.start(2, { stages: stages(100), policies, pace, timing });
    await world.advanceTo(id, "succeeded", HOUR);
    const caughtUp = () => away.filter((uid) => world.agent(uid).running === NEW).length;
    await world.advance(HOUR);
    assert.equal((await world.status(id)).isSettled, false, "it is looked after for as long as some are away");
    const freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 10 * MINUTE, reason: "a release" }];
    await world.store.calendars.put({ id: "freezes", description: "", freezes, recurring: [] });
    for (const uid of away) world.agent(uid).connect(world.nowMs);
    await world.advance(9 * MINUTE);
    assert.equal(caughtUp(), 0, "nobody while changes are frozen");
    const seen: number[] = [];
    for (let minutes = 0; minutes < 5; minutes++) {
      await world.advance(MINUTE);
      seen.push(caughtUp());
    }
    assert.ok(
      seen.every((count, i) => count - (seen[i - 1] ?? 0) <= 2),
      `two in a minute: ${seen}`,
    );
    await world.advance(5 * MINUTE);
    assert.equal(caughtUp(), 6);
    assert.ok((await world.status(id)).isSettled);
  });

  it("no longer catches up with what another took the place of", async () => {
    const world = await worlds.openStable(aFleet(20));
    world.agent(aUid(5)).disconnect(world.nowMs);
    const pace = { ...DEFAULT_PACE, maxPerMinute: 100 };
    const before = await world.start(2, { stages: stages(100), pace });
    await world.advanceTo(before, "succeeded", HOUR);
    await world.advanceTo(await world.start(3, { stages: stages(100), pace }), "succeeded", HOUR);
    await world.advance(10 * MINUTE);
    assert.ok((await world.status(before)).isSettled);
    world.agent(aUid(5)).connect(world.nowMs);
    await world.advance(10 * MINUTE);
    assert.equal(world.agent(aUid(5)).running, aHash("4"));
    assert.equal(world.offers(NEW).get(aUid(5)), undefined);
  });

  it("has one that is caught up after the success and fails: it is made safe all the same", async () => {
    const world = await worlds.openStable(aFleet(20, (n) => (n === 5 ? reacts("crash_loops") : {})));
    world.agent(aUid(5)).disconnect(world.nowMs);
    await world.advanceTo(await world.start(2, { stages: stages(100) }), "succeeded");
    await world.advance(HOUR);
    world.agent(aUid(5)).connect(world.nowMs);
    await world.advance(10 * MINUTE);
    assert.deepEqual([world.agent(aUid(5)).running, world.agent(aUid(5)).isHealthy], [OLD, true]);
    assert.equal(world.offers(NEW).get(aUid(5)), 1);
  });

  describe("with zones", () => {
    const zoned = (n: number) => ({ labels: { zone: n <= 6 ? "a" : "b" } });
    const pace = { ...DEFAULT_PACE, domainKey: "zone" };
    const timing = { ...DEFAULT_TIMING, finalBakeMs: 0, soakMs: 20 * MINUTE };
    const inZoneA = Array.from({ length: 6 }, (_, i) => aUid(i + 1));
    const leave = (world: ScenarioWorld, uids: readonly InstanceUid[]) => {
      for (const uid of uids) world.agent(uid).disconnect(world.nowMs);
    };

    it("pauses as storm when a whole zone is lost at once, takes nothing back, and goes on when it is back", async () => {
      const world = await worlds.openStable(aFleet(12, zoned));
      const id = await world.start(2, { stages: stages(100), pace, timing });
      await world.advance(MINUTE);
      leave(world, inZoneA);
      await world.advance(10 * MINUTE);
      assert.equal(await world.at(id), "paused storm");
      assert.match((await world.status(id)).message, /6 of 6 agents of domain a are dark/);
      assert.deepEqual((await world.status(id)).failures, []);
      for (const uid of inZoneA) assert.equal((await world.desired(uid))?.hash, NEW, "nothing is taken back");
      for (const uid of inZoneA) world.agent(uid).connect(world.nowMs);
      await world.advanceTo(id, "succeeded");
      assert.ok((await world.phases(id)).includes("running storm_over"));
      assert.equal(world.running(NEW).length, 12);
      assert.ok([...world.offers(NEW).values()].every((count) => count === 1));
    });

    it("pauses as storm when a gateway is lost with its agents, and goes on once they are at another", async () => {
      const world = await worlds.openStable(aFleet(12, (n) => ({ gateway: n <= 6 ? "gw-1" : "gw-2" })));
      const id = await world.start(2, { stages: stages(100), timing });
      await world.advance(MINUTE);
      leave(world, inZoneA);
      await world.advance(5 * MINUTE);
      assert.equal(await world.at(id), "paused storm");
      for (const uid of inZoneA) world.agent(uid).connect(world.nowMs, "gw-2");
      await world.advanceTo(id, "succeeded");
    });

    it("holds it against the config when those that were offered it die in every zone", async () => {
      const world = await worlds.openStable(
        aFleet(24, (n) => ({ labels: { zone: n % 2 === 0 ? "a" : "b" }, ...reacts("dies") })),
      );
      const id = await world.start(2, { stages: stages(50, 100), pace, timing, budget: DEFAULT_BUDGET });
      await world.advanceTo(id, "rolled_back", HOUR);
      assert.equal(world.offers(NEW).size, 12, "nobody of the second stage was offered it");
      const back = [...world.offers(NEW).keys()];
      for (const uid of back) world.agent(uid).connect(world.nowMs);
      await world.advance(MINUTE);
      assert.ok(back.every((uid) => world.agent(uid).running === OLD));
    });

    it("goes on without a zone that is dark where an operator resumes it, and takes nothing back for that", async () => {
      const world = await worlds.openStable(aFleet(12, zoned));
      const id = await world.start(2, { stages: stages(100), pace, timing });
      await world.advance(MINUTE);
      leave(world, inZoneA);
      await world.advance(10 * MINUTE);
      await world.wish(id, { wish: "run" });
      await world.advance(HOUR);
      assert.equal((await world.status(id)).acceptedFailures.length, 6);
      assert.equal(
        await world.at(id),
        "succeeded completed",
        "with the default budget, which six failures would exceed",
      );
    });
  });

  it("is the same for an agent that is given another uid: it keeps what it was assigned, and its failure", async () => {
    const world = await worlds.openStable(aFleet(4, (n) => (n === 2 ? reacts("crash_loops") : {})));
    const id = await world.start(2, {
      stages: tolerant(100).map((each) => ({ ...each, bakeMs: HOUR })),
      budget: NO_BUDGET,
    });
    await world.advance(10 * MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 3, restored: 1 });
    const uid = uidOf(world.nowMs, 9);
    const head = { uid, epoch: world.nowMs, atMs: world.nowMs };
    await world.store.agents.project(uid, [{ kind: "agent.renamed", ...head, n: 1, from: aUid(2) }]);
    await world.work.requestAssign(0);
    await world.work.requestAssign(1);
    await world.advance(10 * MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 3, restored: 1 });
    assert.equal((await world.desired(uid))?.hash, OLD);
  });
});
