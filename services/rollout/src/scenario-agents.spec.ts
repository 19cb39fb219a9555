// What single agents do to a rollout, and it to them, over a real Redis.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BLANK, DEFAULT_POLICIES, DEFAULT_RETRY, DEFAULT_TIMING } from "@muster/fleet";
import { aUid, type Reaction, stages } from "@muster/fleet/builders";
import { MINUTE, SECOND } from "./scenario-ids.ts";
import { aFleet, bearing, NEW, NO_BUDGET, OLD, reacts, runningBy, tolerant, useWorlds } from "./scenario-spec.ts";

const CAPABILITIES = ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsHealth"];

describe("an agent of a rollout", () => {
  const worlds = useWorlds();

  const faults: readonly {
    readonly name: string;
    readonly reaction: Reaction;
    readonly state: string;
    readonly failure: string;
    readonly offers: number;
    readonly restores: number;
  }[] = [
    {
      name: "refuses the new config: it is given the one before under its old hash, at once",
      reaction: "rejects",
      state: "restored",
      failure: "failed",
      offers: 1,
      restores: 1,
    },
    {
      name: "crash-loops on the new config: the one before makes it well again",
      reaction: "crash_loops",
      state: "restored",
      failure: "failed",
      offers: 1,
      restores: 1,
    },
    {
      name: "rolls itself back and says APPLIED of the old hash: it is left alone",
      reaction: "goes_back",
      state: "restored",
      failure: "self_rolled_back",
      offers: 1,
      restores: 0,
    },
    {
      name: "gives no answer: it is tried twice and then given back what it had",
      reaction: "silent",
      state: "restored",
      failure: "timed_out",
      offers: 2,
      restores: 0,
    },
    {
      name: "becomes unwell while it soaks: it is given back what it had",
      reaction: "unwell_later",
      state: "restored",
      failure: "unhealthy",
      offers: 1,
      restores: 1,
    },
    {
      name: "says APPLIED with a part that is unwell and was not: it is given back what it had",
      reaction: "part_unwell",
      state: "restored",
      failure: "unhealthy",
      offers: 1,
      restores: 1,
    },
  ];
  for (const { name, reaction, state, failure, offers, restores } of faults) {
    it(name, async () => {
      const world = await worlds.openStable(aFleet(5, (n) => (n === 3 ? reacts(reaction) : {})));
      const timing = { ...DEFAULT_TIMING, finalBakeMs: 0, soakMs: MINUTE };
      const id = await world.start(2, { ...bearing(100), timing, retry: { ...DEFAULT_RETRY, maxAttempts: 2 } });
      await world.advanceUntil(async () => (await world.counts(id))["verified"] === 4, 30 * MINUTE);
      await world.advance(30 * MINUTE);
      const status = await world.status(id);
      assert.deepEqual(await world.counts(id), { verified: 4, [state]: 1 });
      assert.deepEqual(
        status.failures.map((each) => [each.uid, each.state, each.since]),
        [[aUid(3), failure, state]],
      );
      assert.equal(world.offers(NEW).get(aUid(3)), offers);
      assert.equal((world.offers(OLD).get(aUid(3)) ?? 0) - 1, restores, "the config before is offered as often");
      assert.equal((await world.desired(aUid(3)))?.hash, OLD);
      assert.deepEqual(runningBy(world), { new: [1, 2, 4, 5], old: [3] });
      assert.ok(world.agent(aUid(3)).isHealthy);
      const told = (await world.log(id)).filter(({ kind }) => kind === "agent");
      assert.deepEqual(
        told.map(({ agents }) => agents),
        [[aUid(3)]],
      );
      assert.match(told[0]?.message ?? "", /It is given back what it had/);
    });
  }

  it("dies on the new config and is gone: it counts as went_dark, and finds the one before when it comes back", async () => {
    const world = await worlds.openStable(aFleet(5, (n) => (n === 3 ? reacts("dies") : {})));
    const id = await world.start(2, bearing(100));
    await world.advance(20 * MINUTE);
    assert.deepEqual(await world.counts(id), { verified: 4, restore_offered: 1 });
    const { failures } = await world.status(id);
    assert.deepEqual(
      failures.map(({ uid, state, since }) => [uid, state, since]),
      [[aUid(3), "went_dark", "restore_offered"]],
    );
    assert.equal((await world.desired(aUid(3)))?.hash, OLD);
    world.agent(aUid(3)).connect(world.nowMs, "gw-2");
    await world.advance(MINUTE);
    assert.equal(world.offers(NEW).get(aUid(3)), 1);
    assert.deepEqual([(await world.desired(aUid(3)))?.hash, world.agent(aUid(3)).running], [OLD, OLD]);
  });

  it("fails the first config that it ever had: it is given one without content", async () => {
    const world = await worlds.open(aFleet(3, (n) => (n === 1 ? reacts("crash_loops") : {})));
    const id = await world.start(2, bearing(100));
    await world.advance(10 * MINUTE);
    assert.equal((await world.desired(aUid(1)))?.hash, BLANK.hash);
    assert.deepEqual(await world.counts(id), { verified: 2, restored: 1 });
    assert.ok(world.agent(aUid(1)).isHealthy);
  });

  it("is slow: it answers the second offer, and nothing failed", async () => {
    const world = await worlds.openStable(aFleet(3, (n) => (n === 1 ? reacts("slow") : {})));
    const id = await world.start(2, { stages: stages(100), retry: { ...DEFAULT_RETRY, maxAttempts: 2 } });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual([...world.offers(NEW).values()].sort(), [1, 1, 2]);
    assert.deepEqual(await world.counts(id), { verified: 3 });
  });

  it("is not tried a second time where the rollout allows one try", async () => {
    const world = await worlds.openStable(aFleet(3, (n) => (n === 1 ? reacts("slow") : {})));
    const id = await world.start(2, bearing(100));
    await world.advance(HALF_HOUR);
    assert.equal(world.offers(NEW).get(aUid(1)), 1);
    assert.deepEqual(await world.counts(id), { verified: 2, restored: 1 });
  });

  it("dies while it applies and comes back APPLYING: the same offer once more frees it", async () => {
    const world = await worlds.openStable(aFleet(3, (n) => (n === 1 ? reacts("restarts") : {})));
    const id = await world.start(2, { stages: stages(100) });
    await world.advanceTo(id, "succeeded");
    assert.equal(world.offers(NEW).get(aUid(1)), 2);
    assert.deepEqual(runningBy(world), { new: [1, 2, 3] });
  });

  it("leaves before the offer: it is deferred, blocks no stage that enough others are good in, and gets it when it is back", async () => {
    const world = await worlds.openStable(aFleet(20));
    world.agent(aUid(7)).disconnect(world.nowMs);
    const id = await world.start(2, { stages: stages(100) });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(await world.counts(id), { verified: 19, offline_deferred: 1 });
    world.agent(aUid(7)).connect(world.nowMs);
    await world.advance(MINUTE);
    assert.equal(world.offers(NEW).get(aUid(7)), 1);
    assert.equal(world.running(NEW).length, 20);
  });

  it("leaves after it was assigned and before it could be told: it waits to be admitted again, and counts as no failure", async () => {
    const world = await worlds.openStable(aFleet(4));
    world.agent(aUid(1)).disconnect(world.nowMs);
    const policies = { ...DEFAULT_POLICIES, minReachedPercent: 70 };
    const pace = { maxPerMinute: null, maxInFlight: 1, ramp: null, domainKey: "", maxUnavailablePerDomain: null };
    const id = await world.start(2, { stages: stages(100), pace, policies });
    await world.advance(5 * MINUTE);
    assert.equal((await world.counts(id))["offline_deferred"], 1);
    assert.deepEqual((await world.status(id)).failures, []);
    world.agent(aUid(1)).connect(world.nowMs);
    await world.advance(5 * MINUTE);
    assert.deepEqual(runningBy(world), { new: [1, 2, 3, 4] });
    assert.equal(world.offers(NEW).get(aUid(1)), 1);
  });

  it("goes to another gateway between offer and status: it is one attempt, and good", async () => {
    const world = await worlds.openStable(aFleet(3));
    const agent = world.agent(aUid(2));
    const id = await world.start(2, { stages: stages(100) });
    await world.advance(2 * SECOND);
    agent.disconnect(world.nowMs);
    await world.settle();
    agent.connect(world.nowMs, "gw-2");
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(await world.counts(id), { verified: 3 });
    const [stored] = await world.store.agents.load([aUid(2)]);
    const attempts = stored?.view.attempts.filter(({ hash }) => hash === NEW) ?? [];
    assert.deepEqual(
      attempts.map(({ number, answer }) => [number, answer?.state]),
      [[1, "applied"]],
    );
  });

  it("is the whole fleet: one agent is enough to succeed, and its failure to be taken back", async () => {
    const good = await worlds.openStable(aFleet(1));
    await good.advanceTo(await good.start(2, { stages: stages(10, 100) }), "succeeded");
    assert.deepEqual(runningBy(good), { new: [1] });
    assert.deepEqual(
      (await good.status(await firstOf(good))).stages.map(({ state }) => state),
      ["passed", "skipped"],
    );
  });

  it("is the whole fleet and fails: a share of one says nothing, so people decide, and it is safe meanwhile", async () => {
    const world = await worlds.openStable(aFleet(1, () => reacts("crash_loops")));
    const id = await world.start(2, { stages: stages(100) });
    await world.advance(5 * MINUTE);
    assert.equal(await world.at(id), "paused inconclusive");
    assert.deepEqual(runningBy(world), { old: [1] });
    await world.wish(id, { wish: "rollback" });
    assert.equal(await world.at(id), "rolled_back taken_back");
    assert.equal(world.offers(NEW).get(aUid(1)), 1);
  });

  it("accepts no configs: it is incapable, never offered anything, and no failure", async () => {
    const deaf = { capabilities: ["ReportsStatus", "ReportsHealth"] };
    const world = await worlds.openStable(aFleet(6, (n) => (n === 4 ? deaf : {})));
    const id = await world.start(2, { stages: stages(50, 100) });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(await world.counts(id), { verified: 5, incapable: 1 });
    assert.deepEqual(world.agent(aUid(4)).offers, []);
  });

  it("accepts no configs, where that counts as a failure: the rollout stops for it", async () => {
    const deaf = { capabilities: ["ReportsStatus", "ReportsHealth"] };
    const world = await worlds.open(aFleet(6, (n) => (n === 4 ? deaf : {})));
    const policies = { ...DEFAULT_POLICIES, incapable: "fail" as const };
    const id = await world.start(2, { stages: stages(100), policies, budget: NO_BUDGET });
    await world.advance(5 * MINUTE);
    assert.equal(await world.at(id), "paused inconclusive");
  });

  for (const [name, extra] of [
    ["tells no status: its effective config and its health are the proof", ["ReportsEffectiveConfig"]],
    ["tells neither status nor effective config: being well for a while must do", []],
  ] as const) {
    it(name, async () => {
      const mute = { capabilities: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth", ...extra] };
      const world = await worlds.openStable(aFleet(3, () => mute));
      const id = await world.start(2, { stages: stages(50, 100) });
      await world.advanceTo(id, "succeeded");
      assert.deepEqual(runningBy(world), { new: [1, 2, 3] });
      assert.deepEqual([...world.offers(NEW).values()], [1, 1, 1]);
    });
  }

  it("lacks a component that the revision uses: it is incapable, and keeps what it has", async () => {
    const world = await worlds.openStable(aFleet(4));
    await tellComponents(world, 1, ["receivers/otlp"]);
    await tellComponents(world, 2, ["receivers/otlp", "exporters/kafka"]);
    const id = await world.start(2, { stages: stages(100), components: ["exporters/kafka", "receivers/otlp"] });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(await world.counts(id), { verified: 3, incapable: 1 });
    assert.deepEqual(runningBy(world), { old: [1], new: [2, 3, 4] });
    assert.equal((await world.desired(aUid(1)))?.hash, OLD);
  });

  it("has the very content already: nobody is offered anything, and every stage is skipped", async () => {
    const world = await worlds.openStable(aFleet(4));
    const before = [...world.agents.values()].map(({ offers }) => offers.length);
    const id = await world.start(2, { stages: stages(50, 100), hash: OLD });
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(await world.counts(id), { already_current: 4 });
    const { stages: states } = await world.status(id);
    assert.deepEqual(
      states.map(({ state }) => state),
      ["skipped", "skipped"],
    );
    assert.deepEqual(
      [...world.agents.values()].map(({ offers }) => offers.length),
      before,
    );
  });

  it("goes and comes while it applies, and is offered the config once per connection at most", async () => {
    const world = await worlds.openStable(aFleet(2, () => ({ capabilities: CAPABILITIES })));
    const id = await world.start(2, { stages: tolerant(100), budget: NO_BUDGET });
    for (let i = 0; i < 4; i++) {
      await world.advance(SECOND);
      world.agent(aUid(1)).connect(world.nowMs, `gw-${i}`);
    }
    await world.advanceTo(id, "succeeded");
    assert.ok((world.offers(NEW).get(aUid(1)) ?? 0) <= 5);
    assert.deepEqual(runningBy(world), { new: [1, 2] });
  });
});

const HALF_HOUR = 30 * MINUTE;

type World = Awaited<ReturnType<ReturnType<typeof useWorlds>["open"]>>;

async function firstOf(world: World) {
  const [newest] = await world.store.rollouts.list("", 1);
  return newest?.spec.id ?? assert.fail("no rollout");
}

/** As an agent does that names its components, and a gateway that keeps them. */
async function tellComponents(world: World, n: number, names: readonly string[]): Promise<void> {
  const address = `inventory-${n}`;
  await world.store.inventories.put(address, Buffer.from("sealed"), names);
  const event = { kind: "agent.components-reported", inventory: `${n}`, address } as const;
  await world.store.agents.project(aUid(n), [{ ...event, uid: aUid(n), epoch: 9, n: 1, atMs: world.nowMs }]);
}
