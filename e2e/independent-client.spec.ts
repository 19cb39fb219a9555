// An OpAMP client that we did not write, over plain HTTP: listed with its attributes, offered a config, its APPLIED seen.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { AgentCapabilities, createOpAMPClient, RemoteConfigStatuses } from "@elastic/opamp-client-node";
import { Transport } from "@muster/protocol/muster/agents";
import { openWorld, publish, startNow, untilListed, untilSucceeded, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

it("serves @elastic/opamp-client-node end to end", async () => {
  const offers: string[] = [];
  const client = createOpAMPClient({
    endpoint: world.stack.opampUrls[0]?.replace("ws:", "http:") ?? "",
    heartbeatIntervalSeconds: 0.2,
    capabilities:
      BigInt(AgentCapabilities["AgentCapabilities_AcceptsRemoteConfig"] ?? 0) |
      BigInt(AgentCapabilities["AgentCapabilities_ReportsRemoteConfig"] ?? 0),
    onMessage: ({ remoteConfig }) => {
      if (remoteConfig === undefined) return;
      offers.push(Buffer.from(remoteConfig.configHash).toString("hex"));
      client.setRemoteConfigStatus({
        status: RemoteConfigStatuses["RemoteConfigStatuses_APPLIED"],
        lastRemoteConfigHash: remoteConfig.configHash,
      });
    },
  });
  client.setAgentDescription({
    identifyingAttributes: { "service.name": "shop", "service.version": "1.2.3" },
    nonIdentifyingAttributes: { env: "prod", cores: 4 },
  });
  client.start();
  try {
    const [agent] = await untilListed(world.operator, 1, "service.name=shop,env=prod,cores=4,connected=true");
    assert.equal(agent?.connection?.transport, Transport.HTTP);
    assert.deepEqual(agent.identifyingAttributes["service.version"]?.kind, { case: "stringValue", value: "1.2.3" });
    const hash = await publish(world.operator, "shop", "service.name=shop");
    const { rollout } = await startNow(world.operator, { configId: "shop" });
    const done = await untilSucceeded(world.operator, rollout?.rolloutId ?? "");
    assert.equal(done.counts?.verified, 1n);
    const [applied] = await untilListed(world.operator, 1, "config.status=applied");
    assert.equal(applied?.remoteConfigStatus?.hash, hash);
    assert.deepEqual(offers, [hash]);
  } finally {
    await client.shutdown();
  }
});
