// What operators say of agents, across real processes: a label brings a config, drift is told, and who is gone is forgotten.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { DriftState } from "@muster/protocol/muster/agents";
import { listAll, openWorld, publish, startNow, untilListed, untilSucceeded, type World } from "./world.ts";

describe("what operators say of agents", () => {
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  it("brings the agents a config that is for those they label, which show it then, and are forgotten when they are gone", async () => {
    const { agents } = world.operator;
    const fleet = await world.fleet({ count: 4 });
    await untilListed(world.operator, 4, "connected=true,healthy=true");
    const [chosen, ...others] = fleet.agents.map(({ uid }) => uid).sort();
    const instanceUid = chosen ?? assert.fail();
    await agents.updateAgent({ instanceUid, labels: { ring: "one" }, updateMask: { paths: ["labels"] } });
    await untilListed(world.operator, 1, "ring=one");

    await publish(world.operator, "ring", "ring");
    const { rollout } = await startNow(world.operator, { configId: "ring" });
    await untilSucceeded(world.operator, rollout?.rolloutId ?? "");
    const [first] = await untilListed(world.operator, 1, "config.drift=false");
    assert.deepEqual([first?.instanceUid, first?.configDrift?.state], [instanceUid, DriftState.IN_SYNC]);

    // Once it is stable, whoever is labelled is given it, too.
    const { matchedCount } = await agents.labelAgents({ selector: "!ring,service.name", setLabels: { ring: "two" } });
    assert.equal(matchedCount, 3n);
    await untilListed(world.operator, 4, "config.drift=false");
    const { groups } = await agents.summarizeAgents({ groupBy: "ring" });
    assert.deepEqual(
      groups.map(({ value, count }) => [value, count]),
      [
        ["two", 3n],
        ["one", 1n],
      ],
    );

    await fleet.stop();
    await untilListed(world.operator, 4, "connected=false");
    const { entries } = await agents.listAgentHistory({ instanceUid });
    assert.ok(entries.length > 0);
    assert.equal((await agents.forgetAgents({ instanceUids: others })).forgottenCount, 3n);
    assert.deepEqual(
      (await listAll(world.operator)).map((agent) => agent.instanceUid),
      [instanceUid],
    );
  });
});
