// Workers that die or stall at any step, and Redis that is lost: a rollout ends as it would have without them.

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { DEFAULT_PACE, DEFAULT_TIMING, type RolloutSpec } from "@muster/fleet";
import { aUid, stages } from "@muster/fleet/builders";
import { type RedisServer, startRedis, trackLeaks } from "@muster/testkit";
import { Redis } from "ioredis";
import { DAY, HOUR, MINUTE, SECOND } from "./scenario-ids.ts";
import { aFleet, bearing, NEW, OLD, reacts, runningBy, useWorlds } from "./scenario-spec.ts";
import { type Fault, once } from "./scenario-work.ts";
import { ScenarioWorld } from "./scenario-world.ts";

/** Every step is the one that goes wrong in one of as many runs. */
const RUNS = 7;
const timing = { ...DEFAULT_TIMING, soakMs: 10 * SECOND, finalBakeMs: 0 };

describe("a worker", () => {
  const worlds = useWorlds();
  const ways: readonly (readonly [name: string, spec: Partial<RolloutSpec>])[] = [
    ["a rollout of two stages", { ...bearing(50, 100), timing }],
    ["a rollout within limits", { ...bearing(50, 100), timing, pace: { ...DEFAULT_PACE, maxInFlight: 2 } }],
  ];

  /** A rollout of which agent 3 crash-loops, to its end and until nobody looks any more. */
  async function play(world: ScenarioWorld, spec: Partial<RolloutSpec>, fault: Fault | null): Promise<void> {
    world.work.fault = fault;
    world.work.steps = [];
    const id = await world.start(2, spec);
    await world.advanceUntil(async () => (await world.status(id)).isSettled, 3 * HOUR);
    await world.advance(HOUR); // whatever a zombie left is mended by now
    assert.equal(await world.at(id), "succeeded completed");
    assert.deepEqual(runningBy(world), { new: [1, 2, 4, 5, 6], old: [3] });
    assert.ok(world.agent(aUid(3)).isHealthy);
    assert.deepEqual([...world.offers(NEW).values()], [1, 1, 1, 1, 1, 1], "every agent is offered it once");
    assert.deepEqual([...(await world.store.rollouts.exclusions(id)).keys()], [aUid(3)]);
    const waves = (await world.log(id)).filter(({ kind }) => kind === "wave").map(({ inputs }) => inputs["wave"]);
    assert.equal(new Set(waves).size, waves.length, "every wave is there once");
    const ends = (await world.log(id)).filter(({ phase, kind }) => phase === "succeeded" && kind === "phase");
    assert.equal(ends.length, 1);
    assert.deepEqual(await world.store.rollouts.active(), []);
    assert.ok(!world.work.isWaitingFor(id), "nobody looks again");
  }

  for (const [name, spec] of ways) {
    for (const kind of ["dies", "stalls"] as const) {
      it(`that ${kind} at any step of ${name} leaves it to the others`, async () => {
        for (let run = 0; run < RUNS; run++) {
          await worlds.server.restart();
          const world = await worlds.openStable(aFleet(6, (n) => (n === 3 ? reacts("crash_loops") : {})));
          const seen: string[] = [];
          const isAt = (step: string, n: number): boolean => {
            if (n % RUNS === run) seen.push(step);
            return n % RUNS === run;
          };
          await play(world, spec, { kind, isAt });
          assert.ok(seen.length > 0);
          world.close();
        }
      });
    }
    it(`and another look at ${name} at once, every time`, async () => {
      const world = await worlds.openStable(aFleet(6, (n) => (n === 3 ? reacts("crash_loops") : {})));
      world.work.isRacing = true;
      await play(world, spec, null);
    });
  }

  /** Taken back by an operator in the second stage, with agent 3 failed before and agent 5 away. */
  async function playBack(world: ScenarioWorld, fault: Fault | null): Promise<void> {
    const pace = { ...DEFAULT_PACE, maxInFlight: 1 };
    const id = await world.start(2, { ...bearing(50, 100), timing: { ...timing, finalBakeMs: DAY }, pace });
    await world.advanceTo(id, "baking_final");
    world.agent(aUid(5)).disconnect(world.nowMs);
    world.work.steps = [];
    world.work.fault = fault;
    await world.wish(id, { wish: "rollback" });
    await world.advanceUntil(async () => (await world.status(id)).isSettled, 3 * HOUR);
    world.agent(aUid(5)).connect(world.nowMs);
    await world.advance(HOUR);
    assert.equal(await world.at(id), "rolled_back taken_back");
    assert.deepEqual(runningBy(world), { old: [1, 2, 3, 4, 5, 6] });
    assert.deepEqual([...world.offers(NEW).values()], [1, 1, 1, 1, 1, 1]);
    assert.deepEqual([...world.offers(OLD).values()], [2, 2, 2, 2, 2, 2], "each is given it back once");
    assert.deepEqual(await world.store.rollouts.active(), []);
  }
  for (const kind of ["dies", "stalls"] as const) {
    it(`that ${kind} at any step of a way back leaves it to the others`, async () => {
      for (let run = 0; run < RUNS; run++) {
        await worlds.server.restart();
        const world = await worlds.openStable(aFleet(6, (n) => (n === 3 ? reacts("crash_loops") : {})));
        await playBack(world, { kind, isAt: (_, n) => n % RUNS === run });
        world.close();
      }
    });
  }

  for (const step of ["commit", "requestAssign", "assign", "exclude", "decideAgain", "settle", "requestReconcileAt"]) {
    it(`that dies before its first ${step} leaves it to the others`, async () => {
      const world = await worlds.openStable(aFleet(6, (n) => (n === 3 ? reacts("crash_loops") : {})));
      await play(world, { ...bearing(50, 100), timing }, once("dies", step));
    });
  }

  it("that dies between the decision to take a rollout back and doing so: it is taken back", async () => {
    const world = await worlds.openStable(aFleet(6));
    const id = await world.start(2, { stages: stages(100), timing: { ...timing, finalBakeMs: HOUR } });
    await world.advance(MINUTE);
    world.work.fault = once("dies", "requestAssign");
    await world.wish(id, { wish: "rollback" });
    assert.equal(world.running(OLD).length, 0);
    await world.advanceTo(id, "rolled_back");
    assert.equal(world.running(OLD).length, 6);
  });

  it("finds a rollout again whose every job was lost", async () => {
    const world = await worlds.openStable(aFleet(6));
    const id = await world.start(2, { stages: stages(50, 100), timing });
    world.work.forget();
    await world.advanceTo(id, "succeeded", 10 * MINUTE);
  });
});

describe("a Redis", () => {
  const mark = trackLeaks();
  let fleet: RedisServer;
  let control: RedisServer;
  let world: ScenarioWorld;
  beforeEach(async () => {
    fleet = await startRedis();
    control = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
    world = await ScenarioWorld.open({ redisUrl: fleet.url, controlUrl: control.url }, aFleet(8));
  });
  afterEach(async () => {
    world.close();
    await fleet.stop();
    await control.stop();
  });
  after(() => mark.assertNone({ timeoutMs: 5_000 }));

  const baking = stages(50, 100).map((stage) => ({ ...stage, bakeMs: HOUR }));

  it("of the fleet that is lost empty during a bake: agents tell it again, nobody is offered what it has, and the bake goes on", async () => {
    await world.advanceTo(await world.start(1, { stages: stages(100) }), "succeeded");
    const id = await world.start(2, { stages: baking });
    await world.advance(20 * MINUTE);
    const before = offersOf(world);
    await fleet.restart(); // without persistence: empty
    await world.reconnect();
    world.loseFleetState();
    await world.advance(30 * SECOND);
    assert.equal(await world.at(id), "running rebuilding");
    await world.advance(5 * MINUTE);
    assert.deepEqual(offersOf(world), before, "nobody is offered anything");
    const held = await Promise.all([...world.agents.values()].map(({ uid }) => world.desired(uid)));
    assert.deepEqual(
      held.map((desired) => desired?.hash),
      [...world.agents.values()].map(({ running }) => running),
      "it is known again who has what",
    );
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(
      [...world.offers(NEW).values()],
      Array.from({ length: 8 }, () => 1),
    );
  });

  it("of the fleet that is lost while agents are on their way within limits: nobody is offered anything twice", async () => {
    await world.advanceTo(await world.start(1, { stages: stages(100) }), "succeeded");
    const pace = { ...DEFAULT_PACE, maxInFlight: 3 };
    const id = await world.start(2, { stages: stages(100), pace, timing });
    await world.advance(2 * SECOND);
    await fleet.restart();
    await world.reconnect();
    world.loseFleetState();
    await world.advanceTo(id, "succeeded", HOUR);
    assert.deepEqual(
      [...world.offers(NEW).values()],
      Array.from({ length: 8 }, () => 1),
    );
  });

  it("of the control that is restarted during a bake: nothing of the rollout is forgotten", async () => {
    const id = await world.start(2, { stages: baking });
    await world.advance(20 * MINUTE);
    const before = await world.rollout(id);
    await control.kill9();
    await control.restart();
    await world.reconnect();
    assert.deepEqual(await world.rollout(id), before);
    assert.ok((await world.log(id)).length > 0);
    await world.advanceTo(id, "succeeded");
  });

  it("of the control that is restored from a backup: what that says counts, also for those who come now", async () => {
    await world.advanceTo(await world.start(1, { stages: stages(100) }), "succeeded");
    const restore = await backUp(control);
    await world.advanceTo(await world.start(2, { stages: stages(100) }), "succeeded");
    await world.advanceTo(await world.start(3, { stages: stages(100) }), "succeeded");
    await restore();
    world.add({ uid: aUid(9) });
    await world.advance(HOUR);
    assert.deepEqual(runningBy(world), { old: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
  });
});

/** Remembers everything in a Redis; the answer brings it all back, and nothing else. */
async function backUp({ ports }: RedisServer): Promise<() => Promise<void>> {
  const restores = await Promise.all(ports.map((port) => backUpOne(new Redis(port))));
  return async () => void (await Promise.all(restores.map((restore) => restore())));
}

async function backUpOne(redis: Redis): Promise<() => Promise<void>> {
  const keep = async (key: string) => [key, await redis.dumpBuffer(key)] as const;
  const kept = await Promise.all((await redis.keys("*")).map(keep));
  return async () => {
    await redis.flushall();
    await Promise.all(kept.map(([key, value]) => redis.restore(key, 0, value)));
    redis.disconnect();
  };
}

function offersOf(world: ScenarioWorld): readonly number[] {
  return [...world.agents.values()].map(({ offers }) => offers.length);
}
