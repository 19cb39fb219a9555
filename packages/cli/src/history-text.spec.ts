import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AgentHistoryEntrySchema, AgentHistoryKind, ResourceUsageSchema } from "@muster/protocol/muster/agents";
import { formatHistory, usageText } from "./history-text.ts";

describe("the history of an agent", () => {
  const at = (s: number) => timestampFromMs(1_000 * s);

  it("is a table, with how often and since when", () => {
    const entries = [
      { kind: AgentHistoryKind.UNHEALTHY, time: at(95), firstTime: at(40), count: 12, message: "no\nspace" },
      {
        kind: AgentHistoryKind.CONFIG_ANSWERED,
        time: at(40),
        firstTime: at(40),
        count: 1,
        reason: "failed",
        configHash: "abc",
      },
    ].map((init) => create(AgentHistoryEntrySchema, init));
    const lines = formatHistory(entries, 100_000)
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    assert.deepEqual(lines.slice(1, 3), [
      ["5s ago", "unhealthy", "no space", "12 times since 1m ago"],
      ["1m ago", "config", "failed abc"],
    ]);
  });

  it("is a sentence where nothing happened", () => assert.match(formatHistory([], 0), /^Nothing has happened/));
});

describe("what an agent takes", () => {
  it("is what it says of it", () => {
    const usage = create(ResourceUsageSchema, { cpuPercent: 12.46, memoryBytes: 104_857_600n });
    assert.equal(usageText(usage), "12.5% CPU, 104.9 MB");
    assert.equal(usageText(create(ResourceUsageSchema, { memoryBytes: 5_000_000n })), "5.0 MB");
    const cores = (cpuCores: number) => usageText(create(ResourceUsageSchema, { cpuCores, memoryBytes: 5_000_000n }));
    assert.deepEqual([cores(0.004), cores(1.5)], ["0.004 cores, 5.0 MB", "1.50 cores, 5.0 MB"]);
  });
});
