// Law 13: the fleet state wiped while fifty agents are connected is told again by them, and no agent is offered what
// it has. Control state is untouched, and a control write that was answered survives a kill -9 of its Redis.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import type { Fleet } from "@muster/simulator";
import { until } from "@muster/testkit";
import { Redis } from "ioredis";
import { listAll, openWorld, publish, startNow, untilListed, untilSucceeded, type World } from "./world.ts";

let world: World;
let fleet: Fleet;
before(async () => {
  world = await openWorld();
  fleet = await world.fleet({ count: 50 });
});
after(() => world.close());

it("has everything back within 60 s of losing it", async () => {
  const { operator, fleetRedis } = world;
  await untilListed(operator, 50, "connected=true");
  const hash = await publish(operator, "base");
  const { rollout } = await startNow(operator, { configId: "base" });
  await untilSucceeded(operator, rollout?.rolloutId ?? "");
  const before = await listAll(operator);
  const offered = fleet.counts().offers;

  const redis = new Redis(fleetRedis.url);
  await redis.flushall();
  redis.disconnect();

  const back = await untilListed(operator, 50, "connected=true,healthy=true,config.status=applied", 60_000);
  const attributesOf = (agents: typeof back) =>
    new Map(agents.map((a) => [a.instanceUid, { ...a.identifyingAttributes, ...a.nonIdentifyingAttributes }]));
  assert.deepEqual(attributesOf(back), attributesOf(before));
  const isDesiredAgain = (agents: typeof back) => agents.every((agent) => agent.desiredConfig?.hash === hash);
  for (let all = back; !isDesiredAgain(all); ) all = await untilListed(operator, 50, "connected=true", 60_000);
  // A wrong offer would come with the hints that follow the decisions: give each agent two more exchanges to get it.
  for (let round = 0; round < 2; round++) {
    const expected = fleet.counts().received + fleet.agents.length;
    for (const agent of fleet.agents) agent.heartbeat();
    await until(() => fleet.counts().received >= expected, { what: "the answers to a round of heartbeats" });
  }
  assert.equal(fleet.counts().offers, offered, "nobody was offered what it has");
  const { configs } = await operator.configs.listConfigs({});
  assert.deepEqual(
    configs.map((c) => [c.configId, c.stableRevision]),
    [["base", 1n]],
  );
  const { rollouts } = await operator.rollouts.listRollouts({});
  assert.deepEqual(rollouts, [(await operator.rollouts.getRollout({ rolloutId: rollout?.rolloutId ?? "" })).rollout]);
});

it("keeps every answered control write through a kill -9 of its Redis", async () => {
  const { operator, controlRedis } = world;
  const ids = Array.from({ length: 20 }, (_, i) => `kept-${i}`);
  for (const configId of ids) await operator.configs.createConfig({ configId });
  const last = await publish(operator, "kept-last");
  await controlRedis.kill9();
  await controlRedis.restart();
  const { configs } = await eventually(() => operator.configs.listConfigs({ pageSize: 100 }));
  const found = new Set(configs.map((config) => config.configId));
  for (const id of ids) assert.ok(found.has(id), `${id} is lost`);
  const { revision } = await operator.configs.getRevision({ configId: "kept-last" });
  assert.equal(revision?.hash, last);
});

/** Tries until the service is connected again. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
