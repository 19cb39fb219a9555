// Capabilities: the bits equal the wire contract, and the tables of what needs which bit.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  AGENT_CAPABILITIES,
  agentCapabilityMask,
  agentCapabilityNames,
  hasCapability,
  mayOffer,
  mayReport,
  SERVER_CAPABILITIES,
  serverCapabilityMask,
  serverCapabilityNames,
  unknownCapabilities,
} from "./capabilities.ts";
import { AgentCapabilities, ServerCapabilities } from "./gen/opamp/v1/opamp_pb.ts";

const withoutPrefix = (generated: Record<string, number>): Record<string, bigint> =>
  Object.fromEntries(
    Object.entries(generated)
      .map(([name, bit]) => [name.replace(/^.*_/, ""), BigInt(bit)] as const)
      .filter(([name]) => name !== "Unspecified"),
  );

describe("capabilities", () => {
  it("are the wire contract's, bit by bit", () => {
    assert.deepEqual({ ...AGENT_CAPABILITIES }, withoutPrefix(AgentCapabilities));
    assert.deepEqual({ ...SERVER_CAPABILITIES }, withoutPrefix(ServerCapabilities));
  });

  it("turn to names in bit order and back", () => {
    const mask = agentCapabilityMask(["ReportsHealth", "ReportsStatus"]);
    assert.equal(mask, 0x801n);
    assert.deepEqual(agentCapabilityNames(mask), ["ReportsStatus", "ReportsHealth"]);
    assert.deepEqual(serverCapabilityNames(serverCapabilityMask(["OffersRemoteConfig", "AcceptsStatus"])), [
      "AcceptsStatus",
      "OffersRemoteConfig",
    ]);
  });

  it("keep unknown bits apart, beyond 53 bits too", () => {
    const mask = 0x1n | (1n << 16n) | (1n << 63n);
    assert.deepEqual(agentCapabilityNames(mask), ["ReportsStatus"]);
    assert.equal(unknownCapabilities(mask), (1n << 16n) | (1n << 63n));
  });

  const offers = [
    ["remoteConfig", 0x2n],
    ["packagesAvailable", 0x8n],
    ["ownTracesConnection", 0x20n],
    ["ownMetricsConnection", 0x40n],
    ["ownLogsConnection", 0x80n],
    ["opampConnection", 0x100n],
    ["otherConnections", 0x200n],
    ["command", 0x400n],
    ["reportAvailableComponents", 0x4000n],
  ] as const;
  for (const [what, bit] of offers) {
    it(`allow ${what} with bit 0x${bit.toString(16)} and nothing else`, () => {
      assert.ok(mayOffer(bit, what));
      assert.ok(!mayOffer(0xffffn & ~bit, what));
    });
  }

  it("say what to expect from whom", () => {
    assert.ok(mayReport(0x1000n, "remoteConfigStatus"));
    assert.ok(!mayReport(0x2n, "remoteConfigStatus"));
    assert.ok(hasCapability(0x2n, "AcceptsRemoteConfig"));
  });
});
