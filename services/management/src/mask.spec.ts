import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Agent, AgentSchema, WatchAgentsResponseSchema } from "@muster/protocol/muster/agents";
import { applyMask, fieldNames, keptFields } from "./mask.ts";

describe("a mask", () => {
  const agent: MessageInitShape<typeof AgentSchema> = {
    instanceUid: "u",
    labels: { a: "b" },
    capabilities: ["ReportsStatus"],
    metadataGeneration: 3n,
    resourceUsage: { memoryBytes: 5n },
  };

  it("leaves the same of what a message is made from as of the message", () => {
    const names = fieldNames(AgentSchema);
    const masks = [["instance_uid"], ["labels", "resource_usage"], ["metadata_generation", "health"], names];
    for (const mask of masks) {
      const keep = new Set(mask);
      const made: Agent = create(AgentSchema, keptFields(AgentSchema, agent, keep));
      assert.deepEqual(made, applyMask(AgentSchema, create(AgentSchema, agent), keep), mask.join());
    }
    assert.equal(keptFields(AgentSchema, agent, "all"), agent);
  });

  it("keeps a oneof of which a field is named", () => {
    const event = { event: { case: "bookmark" as const, value: { resumeToken: "t" } } };
    assert.deepEqual(keptFields(WatchAgentsResponseSchema, event, new Set(["bookmark"])), event);
    assert.deepEqual(keptFields(WatchAgentsResponseSchema, event, new Set()), {});
  });
});
