import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Agent, AgentSchema, RemoteConfigState, Transport } from "@muster/protocol/muster/agents";
import { formatAgent, formatAgentLine, formatAgents } from "./agent-text.ts";

const NOW_MS = 1_000_000;
const text = (value: string) => ({ kind: { case: "stringValue", value } as const });
const hash = "ab".repeat(32);
const desiredConfig = {
  hash,
  contributions: [
    { configId: "base", revision: 3n },
    { configId: "extra", revision: 1n },
  ],
};

function anAgent(init: MessageInitShape<typeof AgentSchema> = {}): Agent {
  return create(AgentSchema, {
    instanceUid: "01890a5d-ac96-774b-bcce-000000000001",
    identifyingAttributes: { "service.name": text("otelcol") },
    nonIdentifyingAttributes: { "host.name": text("web-1") },
    connection: { connected: true, transport: Transport.WEBSOCKET, remoteAddress: "10.0.0.1", gatewayId: "gw-1" },
    ...init,
  } as MessageInitShape<typeof AgentSchema>); // a spread of two inits is one
}

/** The cells of an agent's row. */
const cells = (agent: Agent) =>
  formatAgents([agent], NOW_MS)
    .split("\n")[1]
    ?.split(/\s{2,}/) ?? [];

describe("a row of the table of agents", () => {
  const cases: readonly { readonly name: string; readonly agent: Agent; readonly cells: readonly string[] }[] = [
    { name: "of an agent no config reaches", agent: anAgent(), cells: ["yes", "-", "-", "-"] },
    {
      name: "of one that was not told yet",
      agent: anAgent({ health: { healthy: true }, desiredConfig }),
      cells: ["yes", "healthy", "base@3,extra@1", "pending"],
    },
    {
      name: "of one that took the config over",
      agent: anAgent({ desiredConfig, remoteConfigStatus: { state: RemoteConfigState.APPLIED, hash } }),
      cells: ["yes", "-", "base@3,extra@1", "applied"],
    },
    {
      name: "of one that still says something about an older config",
      agent: anAgent({ desiredConfig, remoteConfigStatus: { state: RemoteConfigState.APPLIED, hash: "00" } }),
      cells: ["yes", "-", "base@3,extra@1", "pending"],
    },
    {
      name: "of one that is ill and says why in many lines",
      agent: anAgent({ health: { healthy: false, lastError: "no\n  space" } }),
      cells: ["yes", "unhealthy: no space", "-", "-"],
    },
    {
      name: "of one that left",
      agent: anAgent({
        connection: { connected: false, disconnectReason: "silent", disconnectTime: timestampFromMs(NOW_MS - 180_000) },
      }),
      cells: ["no, silent 3m ago", "-", "-", "-"],
    },
  ];
  for (const { name, agent, cells: expected } of cases) {
    it(name, () => assert.deepEqual(cells(agent).slice(1), ["otelcol", "web-1", ...expected]));
  }

  it("has columns as wide as what they hold, and no colours", () => {
    const [head = "", row = ""] = formatAgents([anAgent()], NOW_MS).split("\n");
    assert.equal(head.indexOf("SERVICE"), row.indexOf("otelcol"));
    assert.ok(!head.includes("\u001b"));
  });
});

describe("one agent", () => {
  const agent = anAgent({
    capabilities: ["AcceptsRemoteConfig"],
    desiredConfig,
    attempts: [
      {
        hash,
        number: 2,
        state: RemoteConfigState.FAILED,
        errorMessage: "said no",
        offerTime: timestampFromMs(NOW_MS - 5_000),
        reportTime: timestampFromMs(NOW_MS - 2_000),
      },
    ],
    effectiveConfig: { sizeBytes: 4n, files: [{ name: "collector.yaml", body: Buffer.from("a: 1\n") }] },
  });

  it("shows attributes, attempts and how it is connected", () => {
    const shown = formatAgent(agent, NOW_MS, false);
    assert.match(shown, /connected +yes, over WebSocket from 10\.0\.0\.1 at gateway gw-1/);
    assert.match(shown, /host\.name +web-1/);
    assert.match(shown, /abababababab try 2 +offered 5s ago, failed 2s ago: said no/);
  });

  it("keeps its effective config back until it is asked for", () => {
    assert.match(formatAgent(agent, NOW_MS, false), /1 file, 4 bytes; --effective-config/);
    assert.doesNotMatch(formatAgent(agent, NOW_MS, false), /a: 1/);
    assert.match(formatAgent(agent, NOW_MS, true), /--- collector\.yaml\na: 1\n/);
  });

  it("is one line in a watch", () => {
    assert.match(
      formatAgentLine(agent, NOW_MS),
      /^\S+ {2}otelcol on web-1 {2}connected yes {2}- {2}config base@3,extra@1 pending\n$/,
    );
  });
});
