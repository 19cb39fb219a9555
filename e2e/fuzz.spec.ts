// A short campaign with a fixed seed; the long one is `npm run fuzz`.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { toJsonString } from "@bufbuild/protobuf";
import { AgentSchema } from "@muster/protocol/muster/agents";
import { runCampaign } from "./fuzz/campaign.ts";
import { FUZZED_ENV } from "./fuzz/world.ts";
import { listAll, openWorld, untilListed, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld({}, FUZZED_ENV);
});
after(() => world.close());

it("answers 20,000 inputs that no agent should send, and nobody else notices", async () => {
  const bystanders = await world.fleet({ count: 5, heartbeatMs: 100 });
  const honest = await untilListed(world.operator, 5, "connected=true,healthy=true");
  const gateway = world.stack.of("gateway")[0];
  const pid = gateway.pid();
  assert.ok(pid !== null);
  const report = await runCampaign({ url: world.stack.opampUrls[0] ?? "", inputs: 20_000, seed: 42, pid });
  assert.deepEqual(report.broken, []);
  assert.ok(report.answers > report.errorAnswers && report.errorAnswers > 1_000, `${report.errorAnswers} errors`);
  assert.equal(gateway.pid(), pid, "the same process as before");
  const { connects, connected, errors } = bystanders.counts();
  assert.deepEqual([connects, connected, errors], [5, 5, 0]);
  // Whatever was kept can be read, and written down.
  for (const { instanceUid } of await listAll(world.operator)) {
    const { agent } = await world.operator.agents.getAgent({ instanceUid });
    assert.ok(agent !== undefined);
    toJsonString(AgentSchema, agent);
  }
  for (const { instanceUid } of honest) {
    const { agent } = await world.operator.agents.getAgent({ instanceUid });
    assert.equal(agent?.health?.healthy, true);
  }
});
