// The fleet state wiped in the middle of a rollout: a fleet that has to be told again is not an empty one. The rollout
// holds still for the minute that agents are given, and then goes on with the stages it would have had.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { StageState } from "@muster/protocol/muster/rollouts";
import type { Fleet } from "@muster/simulator";
import { Redis } from "ioredis";
import {
  offersTo,
  openWorld,
  publish,
  startNow,
  threeStages,
  untilListed,
  untilRollout,
  untilSucceeded,
  type World,
} from "./world.ts";

let world: World;
let fleet: Fleet;
before(async () => {
  world = await openWorld();
  fleet = await world.fleet({ count: 50 });
  await untilListed(world.operator, 50, "connected=true");
});
after(() => world.close());

it("does not mistake a lost fleet for an empty one in the middle of a rollout", async () => {
  const { operator, fleetRedis } = world;
  await publish(operator, "edge", "", "receivers: {nop: {}}\n");
  const { rollout } = await startNow(operator, { configId: "edge", stages: threeStages(2_000) });
  const rolloutId = rollout?.rolloutId ?? "";
  await untilRollout(operator, rolloutId, "the first stage", ({ stages }) => stages[0]?.state === StageState.BAKING);
  const redis = new Redis(fleetRedis.url);
  await redis.flushall();
  redis.disconnect();
  const done = await untilSucceeded(operator, rolloutId, 150_000);
  assert.deepEqual(
    done.stages.map((stage) => stage.size),
    [5n, 25n, 50n],
  );
  for (const agent of fleet.agents) {
    const offers = offersTo(agent);
    assert.equal(new Set(offers).size, offers.length, "no config is offered twice");
  }
});
