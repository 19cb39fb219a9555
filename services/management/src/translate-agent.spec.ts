import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type AgentView,
  type AttributeValue,
  type DesiredRecord,
  encodeEffective,
  parseConfigId,
  unknownAgent,
} from "@muster/fleet";
import { aHash, anAgent, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import {
  type Agent,
  AgentSchema,
  RemoteConfigState,
  ResourceUsageSource,
  Transport,
} from "@muster/protocol/muster/agents";
import { toAgent, toAttempts, toEffectiveFiles } from "./translate-agent.ts";

const NOW_MS = 9_000_000;

/** Over the wire and back, as a caller sees it. */
function told(view: AgentView, version: number, desired: DesiredRecord | null): Agent {
  return fromBinary(AgentSchema, toBinary(AgentSchema, create(AgentSchema, toAgent(view, version, desired, NOW_MS))));
}

describe("an agent", () => {
  it("of which nothing is known has nothing but its uid and times", () => {
    const agent = told(unknownAgent(aUid(), 5_000), 1, null);
    assert.equal(agent.instanceUid, aUid());
    assert.equal(agent.firstSeenTime?.seconds, 5n);
    const { connection, health, remoteConfigStatus, desiredConfig, effectiveConfig } = agent;
    assert.deepEqual(
      { connection, health, remoteConfigStatus, desiredConfig, effectiveConfig },
      {
        connection: undefined,
        health: undefined,
        remoteConfigStatus: undefined,
        desiredConfig: undefined,
        effectiveConfig: undefined,
      },
    );
  });

  it("is told facet by facet", () => {
    const view = anAgent({
      healthy: false,
      ack: { hash: aHash(), state: "failed", error: "no" },
      effectiveConfigAtMs: 1,
    });
    const agent = told(view, 3, null);
    assert.deepEqual([agent.connection?.connected, agent.connection?.transport], [true, Transport.WEBSOCKET]);
    assert.deepEqual([agent.health?.healthy, agent.health?.lastError], [false, "broken"]);
    const { state, hash, errorMessage } = agent.remoteConfigStatus ?? assert.fail("no status");
    assert.deepEqual([state, hash, errorMessage], [RemoteConfigState.FAILED, aHash(), "no"]);
    assert.deepEqual([agent.effectiveConfig?.hash, agent.effectiveConfig?.sizeBytes], ["b", 1n]);
    assert.ok(agent.capabilities.includes("AcceptsRemoteConfig"));
  });

  it("was last seen now while it is there, and else when it left", () => {
    const [here, gone] = [anAgent(), anAgent({ connected: false })].map(
      (view) => told(view, 1, null).lastSeenTime?.seconds,
    );
    assert.deepEqual([here, gone], [BigInt(NOW_MS / 1_000), 0n]);
  });

  it("says how often it started again, and what it takes where its health or its own metrics say so", () => {
    const agent = anAgent();
    assert.deepEqual([told(agent, 1, null).restartCount, told(agent, 1, null).resourceUsage], [0, undefined]);
    const health = agent.health ?? assert.fail();
    const value = { ...health.value, attributes: [["process.memory.usage", 5]] as const };
    const busy = told({ ...agent, health: { ...health, value }, runs: { restarts: 3, lastStart: "" } }, 1, null);
    assert.deepEqual(
      [busy.restartCount, busy.resourceUsage?.memoryBytes, busy.resourceUsage?.cpuPercent],
      [3, 5n, undefined],
    );
    assert.equal(busy.resourceUsage?.source, ResourceUsageSource.HEALTH);
    const own = { epoch: 0, n: 7_000, atMs: 7_000, value: { cpuPercent: null, cpuCores: 0.25, memoryBytes: 6 } };
    const { resourceUsage } = told({ ...agent, health: { ...health, value }, ownUsage: own }, 1, null);
    assert.deepEqual(
      [resourceUsage?.memoryBytes, resourceUsage?.cpuCores, resourceUsage?.source, resourceUsage?.reportTime?.seconds],
      [6n, 0.25, ResourceUsageSource.OWN_METRICS, 7n],
    );
  });

  it("that left says when and why", () => {
    const { connection } = told(anAgent({ connected: false, disconnectedAtMs: 9_000 }), 1, null);
    assert.deepEqual([connection?.connected, connection?.disconnectReason], [false, "closed"]);
    assert.equal(connection?.disconnectTime?.seconds, 9n);
  });

  it("has another etag once it should run something else", () => {
    const contributions = [
      { configId: parseConfigId("base"), revision: 2, hash: aHash(), order: 1, rolloutId: ROLLOUT_ID },
    ];
    const desired = { hash: aHash(), contributions, assignedAtMs: 7_000 };
    const agent = told(anAgent(), 1, desired);
    assert.deepEqual(
      agent.desiredConfig?.contributions.map((part) => [part.configId, part.revision, part.rolloutId]),
      [["base", 2n, ROLLOUT_ID]],
    );
    assert.notEqual(agent.etag, told(anAgent(), 1, null).etag);
  });

  it("has health in nanoseconds and parts within parts", () => {
    const leaf = {
      healthy: true,
      status: "ok",
      lastError: "",
      startTimeUnixNano: "1500000000",
      statusTimeUnixNano: "0",
      components: [],
    };
    const attributes = [
      ["__proto__", "x"],
      ["rate", 1.5],
    ] as const;
    const health = {
      ...leaf,
      attributes,
      components: [["pipeline", { ...leaf, components: [["receiver", leaf]] }]] as const,
    };
    const view = { ...anAgent(), health: { epoch: 1, n: 1, atMs: 0, value: health, sinceMs: 0, drops: 0 } };
    const agent = told(view, 1, null);
    assert.deepEqual([agent.health?.startTime?.seconds, agent.health?.startTime?.nanos], [1n, 500_000_000]);
    assert.equal(agent.health?.statusTime, undefined);
    assert.equal(agent.health?.components["pipeline"]?.components["receiver"]?.status, "ok");
    assert.deepEqual(
      Object.entries(agent.health?.attributes ?? {}).map(([key, value]) => [key, value.kind.value]),
      attributes.map((pair) => [...pair]),
    );
  });

  const values: readonly { readonly name: string; readonly value: AttributeValue }[] = [
    { name: "a text", value: "x" },
    { name: "a number", value: 1.5 },
    { name: "a truth value", value: false },
    { name: "nothing", value: null },
    { name: "a list", value: ["a", 1, null, ["b"]] },
    { name: "a structure", value: { a: { b: [true] } } },
  ];
  for (const { name, value } of values) {
    it(`may have ${name} as an attribute`, () => {
      const facet = { epoch: 1, n: 1, atMs: 0, value: { identifying: [["key", value]] as const, nonIdentifying: [] } };
      const attribute = told({ ...anAgent(), description: facet }, 1, null).identifyingAttributes["key"];
      assert.deepEqual(toJson(ValueSchema, attribute ?? assert.fail("no attribute")), value);
    });
  }

  it("may call an attribute __proto__ without harm", () => {
    const nonIdentifying = [
      ["__proto__", "x"],
      ["env", "prod"],
    ] as const;
    const facet = { epoch: 1, n: 1, atMs: 0, value: { identifying: [], nonIdentifying } };
    const { nonIdentifyingAttributes } = told({ ...anAgent(), description: facet }, 1, null);
    assert.deepEqual(nonIdentifyingAttributes["env"]?.kind, { case: "stringValue", value: "prod" });
    assert.equal(({} as Record<string, unknown>)["kind"], undefined);
  });
});

describe("attempts", () => {
  it("are told newest first, silent ones without a report time", () => {
    const fence = { epoch: 1, n: 1 };
    const answer = { ...fence, state: "failed", error: "no", atMs: 2_000 } as const;
    const attempts = toAttempts([
      { ...fence, hash: aHash("a"), number: 1, offeredAtMs: 1_000, answer },
      { ...fence, hash: aHash("b"), number: 1, offeredAtMs: 3_000, answer: null },
    ]);
    assert.deepEqual(
      attempts.map((each) => [each.hash, each.state, each.errorMessage, each.reportTime?.seconds]),
      [
        [aHash("b"), RemoteConfigState.UNSPECIFIED, "", undefined],
        [aHash("a"), RemoteConfigState.FAILED, "no", 2n],
      ],
    );
  });
});

describe("an effective config", () => {
  it("is read as gateways write it", () => {
    const body = encodeEffective([{ name: "collector.yaml", contentType: "text/yaml", body: Buffer.from("a: 1") }]);
    const [file] = toEffectiveFiles(body);
    assert.deepEqual(
      [file?.name, file?.contentType, String(Buffer.from(file?.body ?? []))],
      ["collector.yaml", "text/yaml", "a: 1"],
    );
  });
});
