// What operators say of a rollout, over a real Redis: approvals, promotions, pauses, ends, reverts, retries, quarantine.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_APPROVAL, DEFAULT_STAGE, DEFAULT_TIMING, type RolloutSpec } from "@muster/fleet";
import { aUid, stages } from "@muster/fleet/builders";
import { DAY, HOUR, MINUTE, SECOND } from "./scenario-ids.ts";
import { aFleet, bearing, NEW, OLD, reacts, runningBy, useWorlds } from "./scenario-spec.ts";
import type { ScenarioWorld } from "./scenario-world.ts";

const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("an operator", () => {
  const worlds = useWorlds();
  const baking: Partial<RolloutSpec> = { stages: stages(20, 100).map((stage) => ({ ...stage, bakeMs: HOUR })) };
  const approval = { ...DEFAULT_APPROVAL, required: 2 };

  it("approves with another who is not the author; only then it begins", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { stages: stages(100), approval, author: "ann" });
    assert.equal(await world.at(id), "awaiting_approval approval_needed");
    for (const who of ["ann", "bob", "bob"]) await world.approve(id, who);
    await world.advance(HOUR);
    assert.equal(await world.at(id), "awaiting_approval approval_needed");
    assert.equal(world.offers(NEW).size, 0);
    await world.approve(id, "cid");
    await world.advanceTo(id, "succeeded");
    assert.ok((await world.log(id)).some(({ message }) => message === "Approved by bob, cid."));
  });

  it("withdraws an approval while it runs: it pauses, and goes on with another", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { ...baking, approval, author: "ann" });
    for (const who of ["bob", "cid"]) await world.approve(id, who);
    await world.advance(10 * MINUTE);
    const { approvals } = (await world.rollout(id)).spec;
    await world.wish(id, { approvals: approvals.slice(1) });
    assert.equal(await world.at(id), "paused approval_withdrawn");
    await world.advance(2 * HOUR);
    assert.equal(world.offers(NEW).size, 2, "nobody else is offered it");
    await world.approve(id, "dan");
    await world.advanceTo(id, "succeeded");
  });

  it("withdraws an approval before it began: it waits for another", async () => {
    const world = await worlds.openStable(aFleet(2));
    const timing = { ...DEFAULT_TIMING, startAtMs: world.nowMs + HOUR };
    const id = await world.start(2, { stages: stages(100), approval: { ...approval, required: 1 }, timing });
    await world.approve(id, "bob");
    assert.equal(await world.at(id), "scheduled start_time");
    await world.wish(id, { approvals: [] });
    assert.equal(await world.at(id), "awaiting_approval approval_withdrawn");
    await world.advance(2 * HOUR);
    assert.equal(world.offers(NEW).size, 0);
  });

  it("denies it: it is rejected and leaves its config to the next", async () => {
    const world = await worlds.openStable(aFleet(2));
    const id = await world.start(2, { stages: stages(100), approval });
    await world.wish(id, { wish: "deny", wishReason: "not now" });
    assert.equal(await world.at(id), "rejected denied");
    assert.match((await world.status(id)).message, /ann denied it: not now/);
    await world.advanceTo(await world.start(3, { stages: stages(100) }), "succeeded");
  });

  it("cancels it before it began: it ends, and nobody was offered anything", async () => {
    const world = await worlds.openStable(aFleet(2));
    const timing = { ...DEFAULT_TIMING, startAtMs: world.nowMs + HOUR };
    const id = await world.start(2, { stages: stages(100), timing });
    await world.wish(id, { wish: "cancel" });
    assert.equal(await world.at(id), "cancelled cancelled");
    await world.advance(2 * HOUR);
    assert.equal(world.offers(NEW).size, 0);
    assert.deepEqual(await world.store.rollouts.active(), []);
  });

  it("promotes a stage with two others than the author, each counted once", async () => {
    const world = await worlds.openStable(aFleet(10));
    const [first, last] = stages(20, 100);
    assert.ok(first !== undefined && last !== undefined);
    const id = await world.start(2, { stages: [{ ...first, promotions: 2 }, last], author: "ann" });
    await world.advance(10 * MINUTE);
    assert.equal(await world.at(id), "running stage_promotion");
    for (const who of ["ann", "bob", "bob"]) await world.promote(id, who);
    await world.advance(DAY);
    assert.equal(await world.at(id), "running stage_promotion");
    assert.equal(world.offers(NEW).size, 2);
    await world.promote(id, "cid");
    await world.advanceTo(id, "succeeded");
    assert.ok((await world.log(id)).some(({ message }) => message === "Stage 1 of 2 was promoted by bob, cid."));
  });

  it("pauses it and lets it go on: nobody is admitted meanwhile, agents on their way finish", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { stages: stages(20, 100) });
    await world.advance(SECOND);
    await world.wish(id, { wish: "pause", wishReason: "lunch" });
    await world.advance(HOUR);
    assert.equal(await world.at(id), "paused manual");
    assert.deepEqual(await world.counts(id), { verified: 2, queued: 8 });
    await world.wish(id, { wish: "run" });
    await world.advanceTo(id, "succeeded");
    assert.equal(world.running(NEW).length, 10);
  });

  it("resumes past failures only where they are accepted in words, and then these hold nothing up", async () => {
    const world = await worlds.openStable(aFleet(10, (n) => (n === 1 ? reacts("rejects") : {})));
    const id = await world.start(2, { stages: stages(100), budget: { criteria: [], onBreach: "pause" } });
    await world.advance(MINUTE);
    assert.equal(await world.at(id), "paused inconclusive");
    await world.wish(id, { wish: "run" });
    await world.advance(MINUTE);
    assert.equal(await world.at(id), "paused inconclusive", "no act raises a limit silently");
    await world.wish(id, { wish: "run", acceptsFailures: true });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(runningBy(world), { old: [1], new: ALL.slice(1) });
    assert.match((await world.status(id)).message, /except for 1 failed agents that an operator accepted/);
  });

  it("aborts it: those that have it keep it, those on their way are still judged, and it is then left alone", async () => {
    const world = await worlds.openStable(aFleet(10, (n) => (n % 2 === 0 ? reacts("unwell_later") : {})));
    const timing = { ...DEFAULT_TIMING, finalBakeMs: 0, soakMs: MINUTE };
    const id = await world.start(2, { ...bearing(100), timing });
    await world.advance(2 * SECOND);
    await world.wish(id, { wish: "abort" });
    assert.equal(await world.at(id), "halted aborted");
    assert.equal((await world.status(id)).isSettled, false, "agents are on their way");
    await world.advance(10 * MINUTE);
    assert.deepEqual(runningBy(world), { new: [1, 3, 5, 7, 9], old: [2, 4, 6, 8, 10] });
    assert.ok((await world.status(id)).isSettled);
    assert.deepEqual(await world.store.rollouts.active(), []);
    assert.ok(!world.work.isWaitingFor(id), "nobody looks again");
  });

  it("takes it back in mid-stage: everybody is given what it had, and the content is quarantined", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, baking);
    await world.advance(10 * MINUTE);
    await world.wish(id, { wish: "rollback", wishReason: "a hunch" });
    await world.advanceTo(id, "rolled_back");
    assert.deepEqual(runningBy(world), { old: ALL });
    const [quarantined] = await world.store.rollouts.quarantined((await world.rollout(id)).spec.configId);
    assert.deepEqual([quarantined?.hash, quarantined?.rolloutId], [NEW, id]);
    assert.match(quarantined?.reason ?? "", /a hunch/);
    await world.advance(HOUR);
    assert.deepEqual(await world.store.rollouts.active(), []);
  });

  it("cannot start quarantined content without a word, and can with one, whose success lifts the quarantine", async () => {
    const world = await worlds.openStable(aFleet(4));
    const taken = await world.start(2, { ...bearing(100), timing: { ...DEFAULT_TIMING, soakMs: HOUR } });
    await world.wish(taken, { wish: "rollback" });
    await world.advanceTo(taken, "rolled_back");
    const again = { stages: stages(100), hash: NEW, revision: 3 };
    const refused = await world.start(3, again);
    assert.equal(await world.at(refused), "invalid quarantined");
    const forced = await world.start(4, { ...again, quarantineOverride: "it was the network" });
    await world.advanceTo(forced, "succeeded");
    assert.deepEqual(runningBy(world), { new: [1, 2, 3, 4] });
    assert.deepEqual(await world.store.rollouts.quarantined((await world.rollout(forced)).spec.configId), []);
  });

  it("reverts it within its window: agents go back to what was stable before, which is stable again", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, { stages: stages(100) });
    await world.advanceTo(id, "succeeded");
    await world.advance(DAY);
    await world.wish(id, { wish: "revert", wishReason: "costs" }, true);
    await world.advanceTo(id, "reverted");
    assert.deepEqual(runningBy(world), { old: ALL });
    world.add({ uid: aUid(11) });
    await world.advance(MINUTE);
    assert.equal(world.agent(aUid(11)).running, OLD, "newcomers get what is stable again");
    await world.advance(HOUR);
    assert.deepEqual(await world.store.rollouts.active(), []);
    await world.advanceTo(await world.start(3, { stages: stages(100) }), "succeeded");
  });

  it("reverts with limits: agents are relieved a few at a time", async () => {
    const world = await worlds.openStable(aFleet(10));
    const pace = { maxPerMinute: null, maxInFlight: 1, ramp: null, domainKey: "", maxUnavailablePerDomain: null };
    const id = await world.start(2, { stages: stages(100), pace });
    await world.advanceTo(id, "succeeded");
    let most = 0;
    world.onRest = async () => {
      const { counts } = await world.status(id);
      most = Math.max(most, counts.rollback_offered);
    };
    await world.wish(id, { wish: "revert" }, true);
    await world.advanceTo(id, "reverted");
    assert.deepEqual(runningBy(world), { old: ALL });
    assert.equal(most, 4, "four times as fast as the way there");
  });

  it("has those tried again that it failed, and they are good this time", async () => {
    const world = await worlds.openStable(aFleet(4, (n) => (n === 2 ? reacts("rejects") : {})));
    const id = await world.start(2, { stages: stages(100), budget: { criteria: [], onBreach: "pause" } });
    await world.advance(MINUTE);
    assert.equal(await world.at(id), "paused inconclusive");
    world.agent(aUid(2)).react = () => "good";
    await world.retry(id, [aUid(2)]);
    await world.wish(id, { wish: "run" });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(runningBy(world), { new: [1, 2, 3, 4] });
    assert.equal(world.offers(NEW).get(aUid(2)), 2);
    assert.equal((await world.store.rollouts.exclusions(id)).size, 0);
  });

  it("has one tried again that fails again: it is made safe again, and not tried for ever", async () => {
    const world = await worlds.openStable(aFleet(4, (n) => (n === 2 ? reacts("crash_loops") : {})));
    const id = await world.start(2, { stages: stages(100), budget: { criteria: [], onBreach: "pause" } });
    await world.advance(MINUTE);
    await world.retry(id, [aUid(2)]);
    await world.wish(id, { wish: "run" });
    await world.advance(HOUR);
    assert.equal(world.offers(NEW).get(aUid(2)), 2);
    assert.deepEqual([world.agent(aUid(2)).running, world.agent(aUid(2)).isHealthy], [OLD, true]);
  });

  it("has one tried again after the success: the rollout is looked at once more, and settles again", async () => {
    const world = await worlds.openStable(aFleet(4, (n) => (n === 2 ? reacts("rejects") : {})));
    const id = await world.start(2, bearing(100));
    await world.advanceUntil(async () => (await world.status(id)).isSettled, HOUR);
    await world.advance(MINUTE);
    world.agent(aUid(2)).react = () => "good";
    await world.retry(id, [aUid(2)]);
    await world.advance(10 * MINUTE);
    assert.deepEqual(runningBy(world), { new: [1, 2, 3, 4] });
    const status = await world.status(id);
    assert.deepEqual([status.phase, status.isSettled, status.failures], ["succeeded", true, []]);
    assert.deepEqual(await world.store.rollouts.active(), []);
    await world.advanceTo(await world.start(3, { stages: stages(100) }), "succeeded");
  });

  it("takes back a rollback: an agent that fails what it is given back ends it as incomplete, and nothing is rolled forward", async () => {
    const world = await worlds.openStable(aFleet(10));
    const id = await world.start(2, baking);
    await world.advance(10 * MINUTE);
    const [broken] = world.offers(NEW).keys();
    assert.ok(broken !== undefined);
    world.agent(broken).react = (hash) => (hash === OLD ? "crash_loops" : "good");
    await world.wish(id, { wish: "rollback" });
    await world.advanceTo(id, "rollback_incomplete");
    assert.equal(await world.at(id), "rollback_incomplete not_all_back");
    assert.deepEqual([...world.offers(NEW).values()], [1, 1], "nobody is offered the new one again");
    assert.equal(world.offers(OLD).get(broken), 2, "once when it was new and once to go back");
    await world.advance(DAY);
    assert.equal(world.offers(OLD).get(broken), 2);
    assert.deepEqual(await world.store.rollouts.active(), []);
  });

  it("says two things at once, of which neither is lost", async () => {
    const world: ScenarioWorld = await worlds.openStable(aFleet(4));
    const [stage] = stages(100);
    assert.ok(stage !== undefined);
    const id = await world.start(2, {
      stages: [{ ...DEFAULT_STAGE, ...stage, promotions: 1 }],
      approval: { ...approval, required: 1 },
    });
    await world.approve(id, "bob");
    await world.advance(MINUTE);
    await world.wish(id, { wish: "pause" });
    await world.promote(id, "cid");
    await world.advance(MINUTE);
    assert.equal(await world.at(id), "paused manual");
    await world.wish(id, { wish: "run" });
    await world.advanceTo(id, "succeeded");
  });
});
