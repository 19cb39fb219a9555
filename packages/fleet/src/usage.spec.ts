import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAgent } from "./builders.ts";
import type { Attributes, Health } from "./event.ts";
import { NO_USAGE, type OwnUsage } from "./own-metrics.ts";
import { usageOf } from "./usage.ts";
import type { AgentView } from "./view.ts";

const aHealth = (attributes?: Attributes, components: Health["components"] = []): Health => ({
  healthy: true,
  status: "",
  lastError: "",
  startTimeUnixNano: "0",
  statusTimeUnixNano: "0",
  components,
  ...(attributes !== undefined && { attributes }),
});

const anAgentWith = (health: Health | null, own: OwnUsage | null, ownAtMs = 0): AgentView => ({
  ...anAgent(),
  health: health === null ? null : { epoch: 1, n: 1, atMs: 1_000_000, value: health, sinceMs: 0, drops: 0 },
  ownUsage: own === null ? null : { epoch: 0, n: ownAtMs, atMs: ownAtMs, value: own },
});

describe("what an agent takes, as its health says", () => {
  const cases = [
    { name: "not told", health: aHealth([["color", "blue"]]), is: null },
    {
      name: "told by itself",
      health: aHealth([
        ["process.cpu.utilization", 0.25],
        ["process.memory.usage", "123456"],
      ]),
      is: { cpuPercent: 25, memoryBytes: 123_456 },
    },
    {
      name: "told by a part of it, the outer one first",
      health: aHealth(undefined, [
        ["a", aHealth(undefined, [["b", aHealth([["process.memory.rss", 1]])]])],
        ["c", aHealth([["process.memory.rss", 2]])],
      ]),
      is: { cpuPercent: null, memoryBytes: 2 },
    },
    {
      name: "not told by what is no number",
      health: aHealth([
        ["process.cpu.utilization", "much"],
        ["process.memory.usage", ""],
        ["process.memory.rss", -1],
        ["system.memory.usage", " "],
      ]),
      is: null,
    },
    {
      name: "not told by what is more than there is anywhere",
      health: aHealth([
        ["process.memory.usage", 1e300],
        ["process.memory.rss", "9223372036854775808"],
        ["system.memory.usage", 5],
      ]),
      is: { cpuPercent: null, memoryBytes: 5 },
    },
    {
      name: "nothing at all of an idle one",
      health: aHealth([
        ["process.cpu.utilization", 0],
        ["process.memory.usage", 0],
      ]),
      is: { cpuPercent: 0, memoryBytes: 0 },
    },
  ] as const;
  for (const { name, health, is } of cases) {
    it(`is ${name}`, () => {
      const expected = is === null ? null : { cpuCores: null, ...is, source: "health", reportedAtMs: 1_000_000 };
      assert.deepEqual(usageOf(anAgentWith(health, null)), expected);
    });
  }
  it("is not told before it reports health", () => assert.equal(usageOf(anAgentWith(null, null)), null));
});

describe("what an agent takes, as its own metrics say", () => {
  const told = aHealth([
    ["process.cpu.utilization", 0.25],
    ["process.memory.usage", 5],
  ]);
  const own = { ...NO_USAGE, cpuCores: 0.5, memoryBytes: 7 };
  const ofOwn = (reportedAtMs: number) => ({ source: "own_metrics", reportedAtMs }) as const;

  it("counts before what its health says, which says the rest", () => {
    const all = { cpuPercent: 25, cpuCores: 0.5, memoryBytes: 7 };
    assert.deepEqual(usageOf(anAgentWith(told, own, 999_000)), { ...all, ...ofOwn(999_000) });
    assert.deepEqual(usageOf(anAgentWith(aHealth(), own, 5)), { ...own, ...ofOwn(5) }, "health says nothing of it");
    assert.deepEqual(usageOf(anAgentWith(null, own, 5)), { ...own, ...ofOwn(5) });
  });

  it("counts as long as it may be as new as what its health says: it is not written every time", () => {
    const sourceAt = (atMs: number) => usageOf(anAgentWith(told, own, atMs))?.source;
    assert.equal(sourceAt(1_000_000 - 11 * 60_000), "own_metrics");
    assert.equal(sourceAt(1_000_000 - 11 * 60_000 - 1), "health", "it stopped telling");
  });
});
