import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MetricPoint, NO_USAGE, type OwnUsage } from "./own-metrics.ts";
import { hear, MAX_AGE_MS, MAX_WAIT_MS, MIN_WRITE_MS, news, UNTOLD, type UsageState, wrote } from "./usage-news.ts";

const T0 = 1_800_000_000_000;
const memory = (value: number): MetricPoint => ({
  metric: "process.memory.usage",
  kind: "level",
  startMs: 0,
  atMs: T0,
  value,
  mode: "",
});
const cpu = (atMs: number, value: number): MetricPoint => ({
  ...memory(value),
  metric: "process.cpu.time",
  kind: "total",
  atMs,
});
const usage = (more: Partial<OwnUsage>): OwnUsage => ({ ...NO_USAGE, ...more });

/** Of an agent for which this was written at T0, and which takes that now. */
const written = (before: Partial<OwnUsage>, now: Partial<OwnUsage>): UsageState => ({
  ...wrote(UNTOLD, usage(before), T0),
  usage: usage(now),
});

describe("what an agent takes is written", () => {
  it("when it is told first", () => {
    assert.equal(news(UNTOLD, T0), null, "there is nothing to tell");
    assert.deepEqual(news(hear(UNTOLD, [memory(5)], T0), T0), usage({ memoryBytes: 5 }));
  });

  it("when its CPU is known, too, if that takes but one point more", () => {
    const first = hear(UNTOLD, [memory(5), cpu(T0, 10)], T0);
    assert.equal(news(first, T0), null);
    const second = hear(first, [memory(5), cpu(T0 + 10_000, 15)], T0 + 10_000);
    assert.deepEqual(news(second, T0 + 10_000), usage({ memoryBytes: 5, cpuCores: 0.5 }));
    const restarted = hear(first, [memory(5), cpu(T0 + 10_000, 1)], T0 + 10_000);
    assert.deepEqual(news(restarted, T0 + 10_000), usage({ memoryBytes: 5 }), "it began anew");
    const again = hear(first, [memory(5), cpu(T0, 10)], T0 + 10_000);
    assert.equal(news(again, T0 + 10_000), null, "the first point was sent again");
    assert.deepEqual(news(again, T0 + MAX_WAIT_MS), usage({ memoryBytes: 5 }), "it is not waited for for ever");
  });

  const changes: readonly { name: string; before: Partial<OwnUsage>; now: Partial<OwnUsage>; is: boolean }[] = [
    { name: "the same", before: { cpuCores: 1, memoryBytes: 100 }, now: { cpuCores: 1, memoryBytes: 100 }, is: false },
    { name: "more than a tenth of a core", before: { cpuCores: 8 }, now: { cpuCores: 8.11 }, is: true },
    { name: "a tenth of a core", before: { cpuCores: 8 }, now: { cpuCores: 7.91 }, is: false },
    { name: "more than a fifth of its cores", before: { cpuCores: 0.2 }, now: { cpuCores: 0.25 }, is: true },
    { name: "a fifth of next to nothing", before: { cpuCores: 0.002 }, now: { cpuCores: 0.02 }, is: false },
    { name: "more than a fifth of its share", before: { cpuPercent: 10 }, now: { cpuPercent: 12.5 }, is: true },
    { name: "a fifth of next to no share", before: { cpuPercent: 0.1 }, now: { cpuPercent: 1 }, is: false },
    { name: "more than a tenth of its memory", before: { memoryBytes: 1_000 }, now: { memoryBytes: 899 }, is: true },
    { name: "a tenth of its memory", before: { memoryBytes: 1_000 }, now: { memoryBytes: 1_100 }, is: false },
    {
      name: "something that was not told before",
      before: { memoryBytes: 1 },
      now: { memoryBytes: 1, cpuCores: 0 },
      is: true,
    },
  ];
  for (const { name, before, now, is } of changes) {
    it(`${is ? "after" : "not before its time after"} a change of ${name}`, () => {
      const state = written(before, now);
      assert.equal(news(state, T0 + MIN_WRITE_MS - 1), null, "never so soon");
      assert.deepEqual(news(state, T0 + MIN_WRITE_MS), is ? usage(now) : null);
      assert.deepEqual(news(state, T0 + MAX_AGE_MS), usage(now), "for it became old");
    });
  }

  it("with all that was told of late, in one request or in several", () => {
    const apart = hear(hear(UNTOLD, [memory(5)], T0), [cpu(T0, 1)], T0 + 1);
    const both = hear(apart, [cpu(T0 + 10_000, 2)], T0 + 10_000);
    assert.deepEqual(both.usage, usage({ memoryBytes: 5, cpuCores: 0.1 }));
    const later = hear(both, [memory(6)], T0 + 10_001 + MAX_AGE_MS);
    assert.deepEqual(later.usage, usage({ memoryBytes: 6 }), "its cores were told too long ago");
  });

  it("once", () => {
    const state = hear(UNTOLD, [memory(5)], T0);
    const after = wrote(state, state.usage, T0);
    assert.equal(news(hear(after, [memory(5)], T0 + MIN_WRITE_MS), T0 + MIN_WRITE_MS), null);
  });
});
