import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { type AgentEvent, apply, type PackageReport, type PackageState, unknownAgent } from "@muster/fleet";
import { anAgent, aUid } from "@muster/fleet/builders";
import {
  type Agent,
  AgentSchema,
  GetAgentResponseSchema,
  PackageState as ProtoPackageState,
  RemoteConfigState,
} from "@muster/protocol/muster/agents";
import { AvailableComponentsSchema } from "@muster/protocol/opamp";
import { toAgent } from "./translate-agent.ts";
import { toComponents, toCustomMessage } from "./translate-reports.ts";

const NOW_MS = 9_000_000;

const at = (n: number) => ({ uid: aUid(), epoch: 1, n, atMs: 7_000 });

/** An agent of which this is known, over the wire and back, as a caller sees it. */
function told(...events: readonly AgentEvent[]): Agent {
  const init = toAgent(events.reduce(apply, unknownAgent(aUid(), 0)), 1, null, NOW_MS);
  return fromBinary(AgentSchema, toBinary(AgentSchema, create(AgentSchema, init)));
}

const aReport = (overrides: Partial<PackageReport>): PackageReport => ({
  name: "otelcol",
  agentVersion: "1",
  agentHash: "aa",
  offeredVersion: "2",
  offeredHash: "bb",
  state: "installed",
  error: "",
  downloadPercent: null,
  downloadBytesPerSecond: null,
  ...overrides,
});
const packaged = (...packages: readonly PackageReport[]): AgentEvent => ({
  kind: "agent.packages-reported",
  ...at(1),
  packages,
  allHash: "cc",
  error: "all wrong",
});

describe("an agent that says nothing beside its config", () => {
  it("has nothing of it", () => {
    const agent = fromBinary(
      AgentSchema,
      toBinary(AgentSchema, create(AgentSchema, toAgent(anAgent(), 1, null, NOW_MS))),
    );
    const { packageStatuses, connectionSettingsStatus, availableComponents, connectionSettingsOffer } = agent;
    assert.deepEqual(
      [packageStatuses, connectionSettingsStatus, availableComponents, connectionSettingsOffer, agent.packagesOffer],
      [undefined, undefined, undefined, undefined, undefined],
    );
    assert.deepEqual([agent.customCapabilities, agent.previousInstanceUids], [[], []]);
  });
});

describe("packages", () => {
  it("are told by name, whatever the name", () => {
    const { packageStatuses } = told(
      packaged(aReport({ name: "" }), aReport({ name: "__proto__", agentVersion: "9" })),
    );
    assert.deepEqual([packageStatuses?.allPackagesHash, packageStatuses?.errorMessage], ["cc", "all wrong"]);
    assert.equal(packageStatuses?.reportTime?.seconds, 7n);
    const versions = Object.entries(packageStatuses?.packages ?? {}).map(([name, status]) => [
      name,
      status.agentVersion,
    ]);
    assert.deepEqual(versions, [
      ["", "1"],
      ["__proto__", "9"],
    ]);
  });

  const states: readonly (readonly [state: PackageState, told: ProtoPackageState])[] = [
    ["installed", ProtoPackageState.INSTALLED],
    ["install_pending", ProtoPackageState.INSTALL_PENDING],
    ["installing", ProtoPackageState.INSTALLING],
    ["install_failed", ProtoPackageState.INSTALL_FAILED],
    ["downloading", ProtoPackageState.DOWNLOADING],
    ["unknown", ProtoPackageState.UNSPECIFIED],
  ];
  for (const [state, expected] of states) {
    it(`that are ${state} are told as ${expected}`, () => {
      assert.equal(told(packaged(aReport({ state }))).packageStatuses?.packages["otelcol"]?.state, expected);
    });
  }

  const numbers: readonly (readonly [said: number | null, told: number | undefined])[] = [
    [0, 0],
    [12.5, 12.5],
    [null, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ];
  for (const [said, expected] of numbers) {
    it(`of which ${said} % is downloaded are told as ${expected}, and as JSON`, () => {
      const agent = told(packaged(aReport({ downloadPercent: said, downloadBytesPerSecond: said })));
      const status = agent.packageStatuses?.packages["otelcol"];
      assert.deepEqual([status?.downloadPercent, status?.downloadBytesPerSecond], [expected, expected]);
      toJson(AgentSchema, agent);
    });
  }
});

describe("what an agent reports beside its config", () => {
  it("is told facet by facet", () => {
    const agent = told(
      { kind: "agent.connection-settings-acknowledged", ...at(1), settings: "dd", state: "failed", error: "no" },
      { kind: "agent.custom-capabilities-changed", ...at(2), capabilities: ["io.example"] },
      { kind: "agent.components-reported", ...at(3), inventory: "ee", address: "b" },
      { kind: "agent.settings-offered", ...at(4), of: "connection", settings: "ff" },
      { kind: "agent.settings-offered", ...at(5), of: "packages", settings: "11" },
      { kind: "agent.renamed", ...at(6), from: aUid(5) },
    );
    const { state, hash, errorMessage } = agent.connectionSettingsStatus ?? assert.fail();
    assert.deepEqual([state, hash, errorMessage], [RemoteConfigState.FAILED, "dd", "no"]);
    assert.deepEqual(agent.customCapabilities, ["io.example"]);
    assert.deepEqual([agent.availableComponents?.hash, agent.availableComponents?.components], ["ee", {}]);
    assert.deepEqual([agent.connectionSettingsOffer?.hash, agent.packagesOffer?.hash], ["ff", "11"]);
    assert.equal(agent.packagesOffer?.sendTime?.seconds, 7n);
    assert.deepEqual(agent.previousInstanceUids, [aUid(5)]);
    assert.deepEqual([agent.actions, agent.customMessages, agent.unrecognized], [[], [], {}], "those only in GetAgent");
  });

  it("has components within components, with what they say of themselves", () => {
    const metadata = [
      { key: "code.namespace", value: { value: { case: "stringValue", value: "go.otel" } } },
      { key: "size", value: { value: { case: "doubleValue", value: Number.NaN } } },
    ] as const;
    const init: MessageInitShape<typeof AvailableComponentsSchema> = {
      hash: Uint8Array.from([1]),
      components: { receivers: { subComponentMap: { otlp: { metadata: [...metadata] }, ["__proto__"]: {} } } },
    };
    const told = toComponents(toBinary(AvailableComponentsSchema, create(AvailableComponentsSchema, init)));
    const otlp = told["receivers"]?.subComponents["otlp"];
    assert.deepEqual(
      Object.entries(otlp?.metadata ?? {}).map(([key, value]) => [key, value.kind.value]),
      [
        ["code.namespace", "go.otel"],
        ["size", "NaN"],
      ],
    );
    assert.deepEqual(Object.keys(told["receivers"]?.subComponents ?? {}).sort(), ["__proto__", "otlp"]);
  });

  it("can be read however deep its components and what they say of themselves are", () => {
    type Component = NonNullable<MessageInitShape<typeof AvailableComponentsSchema>["components"]>[string];
    let value: NonNullable<NonNullable<Component["metadata"]>[number]["value"]> = {
      value: { case: "boolValue", value: true },
    };
    for (let i = 0; i < 40; i++) value = { value: { case: "arrayValue", value: { values: [value] } } };
    let deepest: Component = { metadata: [{ key: "deep", value }] };
    for (let i = 1; i < 15; i++) deepest = { subComponentMap: { part: deepest } };
    let deep: Component = {};
    for (let i = 0; i < 90; i++) deep = { subComponentMap: { part: deep } };
    const inventory = create(AvailableComponentsSchema, { components: { deepest, deep } });
    const components = toComponents(toBinary(AvailableComponentsSchema, inventory));
    const agent = create(AgentSchema, { availableComponents: { components } });
    const read = fromBinary(
      GetAgentResponseSchema,
      toBinary(GetAgentResponseSchema, create(GetAgentResponseSchema, { agent })),
    );
    const text = JSON.stringify(toJson(GetAgentResponseSchema, read));
    assert.match(text, /"deep":\[{15}"\[{25}true\]{25}"\]{15}/, "the rest is text");
    assert.equal(text.split('"part"').length - 1, 14 + 15);
  });

  it("has custom messages whose content may be gone", () => {
    const message = { epoch: 1, n: 1, atMs: 7_000, capability: "c", type: "t", body: "b", sizeBytes: 3 };
    assert.deepEqual([...toCustomMessage(message, Buffer.from("abc")).data], [97, 98, 99]);
    const gone = toCustomMessage(message, undefined);
    assert.deepEqual([gone.data.byteLength, gone.sizeBytes, gone.receiveTime?.seconds], [0, 3n, 7n]);
  });
});
