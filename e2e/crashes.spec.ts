// Every kind of process killed in the middle of a rollout, one after another: it finishes all the same, no agent is
// lost, and no agent is offered anything but its revision.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { StageState } from "@muster/protocol/muster/rollouts";
import type { Fleet } from "@muster/simulator";
import {
  GOOD_CONFIG,
  offersTo,
  openWorld,
  publish,
  publishAgain,
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
  // Two gateways: agents of the killed one go to the other, as behind a load balancer.
  world = await openWorld({ gateway: 2 });
  fleet = await world.fleet({ count: 50, endpoint: world.stack.opampUrls });
});
after(() => world.close());

it("finishes a rollout although gateway, projector and worker are killed in its middle", async () => {
  const { operator, stack } = world;
  await untilListed(operator, 50, "connected=true");
  const old = await publish(operator, "base");
  const first = await startNow(operator, { configId: "base" });
  await untilSucceeded(operator, first.rollout?.rolloutId ?? "");

  const hash = await publishAgain(
    operator,
    "base",
    GOOD_CONFIG.replace("nop: {}}\nservice", "nop: {}, debug: {}}\nservice"),
  );
  const { rollout } = await startNow(operator, { configId: "base", stages: threeStages(1_000) });
  const rolloutId = rollout?.rolloutId ?? "";
  await untilRollout(operator, rolloutId, "the first stage", ({ stages }) => stages[0]?.state === StageState.BAKING);
  const [gateway] = stack.of("gateway");
  await gateway.kill9();
  const reached = fleet.agents.filter((agent) => offersTo(agent).includes(hash));
  assert.equal(reached.length, 5, "nobody but the canaries was offered the new revision");
  await untilRollout(operator, rolloutId, "the second stage", ({ stageIndex }) => stageIndex >= 1);
  const [projector] = stack.of("projector");
  await projector.kill9();
  await projector.start();
  const [worker] = stack.of("rollout");
  await worker.kill9();
  await worker.start();
  await gateway.start();

  const done = await untilSucceeded(operator, rolloutId, 120_000);
  assert.deepEqual(
    done.stages.map((stage) => stage.size),
    [5n, 25n, 50n],
  );
  const agents = await untilListed(operator, 50, "connected=true,config.status=applied");
  assert.ok(agents.every((agent) => agent.remoteConfigStatus?.hash === hash));
  // Whatever was repeated, each agent went from the old revision to the new one and never back.
  for (const agent of fleet.agents) {
    const steps = offersTo(agent).filter((offer, i, all) => offer !== all[i - 1]);
    assert.deepEqual(steps, [old, hash]);
  }
});

it("marks the agents of a killed gateway disconnected within 30 s when nobody takes them over", async () => {
  const { operator, stack } = world;
  await fleet.stop();
  const lonely = await world.fleet({ count: 10, firstIndex: 100, endpoint: stack.opampUrls[1] ?? "" });
  await untilListed(operator, 10, "connected=true");
  const gateway = stack.of("gateway")[1];
  assert.ok(gateway !== undefined);
  await gateway.kill9();
  const agents = await untilListed(operator, 0, "connected=true", 30_000).then(() => untilListed(operator, 60));
  const lost = agents.filter((agent) => lonely.agents.some(({ uid }) => uid === agent.instanceUid));
  assert.deepEqual(new Set(lost.map((agent) => agent.connection?.disconnectReason)), new Set(["gateway_lost"]));
  await gateway.start();
  await untilListed(operator, 10, "connected=true");
});
