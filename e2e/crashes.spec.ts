// Every kind of process killed in the middle of a rollout, one after another: it finishes all the same, no agent is
// lost, and no agent is offered anything but its revision.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { StageState } from "@muster/protocol/muster/rollouts";
import type { Fleet } from "@muster/simulator";
import {
  offersTo,
  openWorld,
  publish,
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
  const hash = await publish(operator, "base");
  const { rollout } = await operator.rollouts.startRollout({ configId: "base", stages: threeStages(1_000) });
  const rolloutId = rollout?.rolloutId ?? "";
  const untilStage = (index: number, state: StageState) =>
    untilRollout(operator, rolloutId, `stage ${index + 1}`, ({ stages }) => stages[index]?.state === state);

  await untilStage(0, StageState.BAKING);
  const [gateway] = stack.of("gateway");
  await gateway.kill9();
  await untilStage(1, StageState.CONVERGING);
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
  for (const agent of fleet.agents) assert.deepEqual(new Set(offersTo(agent)), new Set([hash]));
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
