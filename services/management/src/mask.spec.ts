import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Agent, AgentSchema, WatchAgentsResponseSchema } from "@muster/protocol/muster/agents";
import { fieldNames, keptFields } from "./mask.ts";

describe("a mask", () => {
  const agent = {
    instanceUid: "u",
    labels: { a: "b" },
    capabilities: ["ReportsStatus"],
    metadataGeneration: 3n,
    resourceUsage: { memoryBytes: 5n },
  } satisfies MessageInitShape<typeof AgentSchema>;

  it("leaves of a message what it names, and nothing else", () => {
    const names = fieldNames(AgentSchema);
    const { instanceUid, labels, capabilities, metadataGeneration, resourceUsage } = agent;
    const cases: readonly (readonly [mask: readonly string[], kept: Partial<typeof agent>])[] = [
      [["instance_uid"], { instanceUid }],
      [["labels", "resource_usage"], { labels, resourceUsage }],
      [["metadata_generation", "health"], { metadataGeneration }],
      [names, { instanceUid, labels, capabilities, metadataGeneration, resourceUsage }],
    ];
    for (const [mask, kept] of cases) {
      const made: Agent = create(AgentSchema, keptFields(AgentSchema, agent, new Set(mask)));
      assert.deepEqual(made, create(AgentSchema, kept), mask.join());
    }
    assert.equal(keptFields(AgentSchema, agent, "all"), agent);
  });

  it("keeps a oneof of which a field is named", () => {
    const event = { event: { case: "bookmark" as const, value: { resumeToken: "t" } } };
    assert.deepEqual(keptFields(WatchAgentsResponseSchema, event, new Set(["bookmark"])), event);
    assert.deepEqual(keptFields(WatchAgentsResponseSchema, event, new Set()), {});
  });
});
