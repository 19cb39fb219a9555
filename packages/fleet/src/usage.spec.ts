import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Attributes, Health } from "./event.ts";
import { usageOf } from "./usage.ts";

const aHealth = (attributes?: Attributes, components: Health["components"] = []): Health => ({
  healthy: true,
  status: "",
  lastError: "",
  startTimeUnixNano: "0",
  statusTimeUnixNano: "0",
  components,
  ...(attributes !== undefined && { attributes }),
});

describe("what an agent takes", () => {
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
  for (const { name, health, is } of cases) it(`is ${name}`, () => assert.deepEqual(usageOf(health), is));
  it("is not told before it reports health", () => assert.equal(usageOf(null), null));
});
