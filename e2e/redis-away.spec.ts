// The fleet's Redis stopped for twenty seconds and started again: sockets stay open, heartbeats are answered, and every
// change that was reported meanwhile is in the fleet state afterwards.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@muster/testkit";
import { openWorld, untilListed, type World } from "./world.ts";

const AWAY_MS = 20_000;

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

it("rides out a Redis that is away for 20 s", async () => {
  const { operator, fleetRedis } = world;
  const fleet = await world.fleet({ count: 30, heartbeatMs: 500 });
  await untilListed(operator, 30, "connected=true,healthy=true");
  const connects = fleet.counts().connects;

  await fleetRedis.stop();
  // The outage itself is the subject, so this one wait is a duration; changes come in all through it.
  const beforeOutage = fleet.counts().received;
  const half = fleet.agents.slice(0, 15);
  for (const [i, agent] of half.entries()) {
    agent.reportHealth({ healthy: false, status: "StatusRecoverableError", lastError: `first ${i}` });
  }
  await sleep(AWAY_MS / 2);
  const midOutage = fleet.counts().received;
  for (const [i, agent] of half.entries()) {
    agent.reportHealth({ healthy: false, status: "StatusRecoverableError", lastError: `last ${i}` });
  }
  await sleep(AWAY_MS / 2);
  const { received, connects: connectsAfter, connected } = fleet.counts();
  await fleetRedis.restart();

  assert.equal(connected, 30, "sockets stay open");
  assert.equal(connectsAfter, connects, "nobody had to come back");
  // Thirty agents at two heartbeats a second for ten seconds are 600; the machine may be slow, silence would be 0.
  assert.ok(midOutage - beforeOutage > 300 && received - midOutage > 300, "heartbeats were answered all along");
  const sick = await untilListed(operator, 15, "healthy=false", 30_000);
  const errors = new Map(sick.map((agent) => [agent.instanceUid, agent.health?.lastError]));
  for (const [i, agent] of half.entries()) assert.equal(errors.get(agent.uid), `last ${i}`);
  await untilListed(operator, 15, "healthy=true,connected=true");

  const [first] = half;
  first?.reportHealth({ healthy: true, status: "StatusOK" });
  await untilListed(operator, 16, "healthy=true");
  await until(() => fleet.counts().connects === connects);
});
