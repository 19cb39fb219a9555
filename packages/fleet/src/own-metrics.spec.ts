import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CpuCounter, isUsageMetric, type MetricPoint, NO_USAGE, type OwnUsage, readUsage } from "./own-metrics.ts";

const START = 1_800_000_000_000;
const point = (metric: string, value: number, more: Partial<MetricPoint> = {}): MetricPoint => ({
  metric,
  kind: "level",
  startMs: START,
  atMs: START + 10_000,
  value,
  mode: "",
  ...more,
});
const total = (value: number, more: Partial<MetricPoint> = {}): MetricPoint =>
  point("process.cpu.time", value, { kind: "total", ...more });
const before = (more: Partial<CpuCounter> = {}): CpuCounter => ({
  metric: "process.cpu.time",
  startMs: START,
  atMs: START,
  seconds: 5,
  ...more,
});

describe("what own metrics say", () => {
  const cases: readonly {
    name: string;
    points: readonly MetricPoint[];
    before?: CpuCounter;
    is: Partial<OwnUsage>;
  }[] = [
    { name: "nothing of nothing", points: [], is: {} },
    {
      name: "memory, of a Collector",
      points: [point("otelcol_process_memory_rss", 70_000_000)],
      is: { memoryBytes: 70_000_000 },
    },
    { name: "memory, of any process", points: [point("process.memory.usage", 5.4)], is: { memoryBytes: 5 } },
    { name: "memory, by the older name", points: [point("process.memory.physical_usage", 5)], is: { memoryBytes: 5 } },
    {
      name: "memory by the best of several names, at its newest",
      points: [
        point("process.memory.usage", 1),
        point("otelcol_process_memory_rss", 2),
        point("otelcol_process_memory_rss", 3, { atMs: START + 20_000 }),
      ],
      is: { memoryBytes: 3 },
    },
    {
      name: "memory, though nobody said when",
      points: [point("process.memory.usage", 5, { atMs: 0 })],
      is: { memoryBytes: 5 },
    },
    { name: "no memory of a counter", points: [point("process.memory.usage", 5, { kind: "total" })], is: {} },
    { name: "no memory beyond any machine", points: [point("process.memory.usage", 1e300)], is: {} },
    {
      name: "a share of all processors, of all modes in which something is done",
      points: [
        point("process.cpu.utilization", 0.1, { mode: "user" }),
        point("process.cpu.utilization", 0.0255, { mode: "system" }),
        point("process.cpu.utilization", 0.5, { mode: "wait" }),
      ],
      is: { cpuPercent: 12.55 },
    },
    { name: "no share that is over 1", points: [point("process.cpu.utilization", 1.5)], is: {} },
    {
      name: "a share of 1 that was rounded up",
      points: [point("process.cpu.utilization", 1.001)],
      is: { cpuPercent: 100 },
    },
    { name: "no cores by one point alone", points: [total(100)], is: {} },
    { name: "cores by two points", points: [total(7.5)], before: before(), is: { cpuCores: 0.25 } },
    {
      name: "cores by two points, summed over modes, waiting left out",
      points: [total(6, { mode: "user" }), total(1.5, { mode: "system" }), total(9, { mode: "wait" })],
      before: before(),
      is: { cpuCores: 0.25 },
    },
    {
      name: "cores of a Collector",
      points: [point("otelcol_process_cpu_seconds", 6, { kind: "total" })],
      before: before({ metric: "otelcol_process_cpu_seconds" }),
      is: { cpuCores: 0.1 },
    },
    {
      name: "no cores after a restart, by its start",
      points: [total(7, { startMs: START + 1 })],
      before: before(),
      is: {},
    },
    { name: "no cores after a restart, by its total", points: [total(4)], before: before(), is: {} },
    {
      name: "no cores of another counter",
      points: [point("otelcol_process_cpu_seconds", 6, { kind: "total" })],
      before: before(),
      is: {},
    },
    { name: "no cores of a point without a time", points: [total(7, { atMs: 0 })], before: before(), is: {} },
    { name: "no cores of a point that is sent again", points: [total(5, { atMs: START })], before: before(), is: {} },
    {
      name: "no cores of points that are too close",
      points: [total(6, { atMs: START + 999 })],
      before: before(),
      is: {},
    },
    { name: "no cores beyond any machine", points: [total(1e15)], before: before(), is: {} },
    {
      name: "cores of one increase",
      points: [
        point("process.cpu.time", 2, { kind: "delta", mode: "user" }),
        point("process.cpu.time", 1, { kind: "delta", mode: "system" }),
      ],
      is: { cpuCores: 0.3 },
    },
    {
      name: "no cores of an increase since nobody knows when",
      points: [point("process.cpu.time", 2, { kind: "delta", startMs: 0 })],
      is: {},
    },
    {
      name: "nothing that is no number of anything",
      points: [Number.NaN, Number.POSITIVE_INFINITY, -1].flatMap((value) => [
        point("process.memory.usage", value),
        point("process.cpu.utilization", value),
        total(value),
      ]),
      before: before(),
      is: {},
    },
    {
      name: "both a share and cores, where both are told",
      points: [point("process.cpu.utilization", 0.5), total(6)],
      before: before(),
      is: { cpuPercent: 50, cpuCores: 0.1 },
    },
  ];
  for (const { name, points, before: counter = null, is } of cases) {
    it(`is ${name}`, () => assert.deepEqual(readUsage(points, counter).usage, { ...NO_USAGE, ...is }));
  }

  it("goes on from the newest point of a run", () => {
    const next = (points: readonly MetricPoint[], from: CpuCounter | null = before()) =>
      readUsage(points, from).counter;
    const newest = { metric: "process.cpu.time", startMs: START, atMs: START + 10_000, seconds: 7 };
    assert.deepEqual(next([total(7)], null), newest);
    assert.deepEqual(next([total(7)]), newest);
    assert.deepEqual(next([total(4)]), { ...newest, seconds: 4 }, "a restart begins anew");
    assert.deepEqual(next([]), before(), "what says nothing of it changes nothing");
    assert.deepEqual(next([total(6, { atMs: START + 500 })]), before(), "too soon");
    assert.deepEqual(next([total(4, { atMs: START - 10_000 })]), before(), "late");
    assert.deepEqual(next([total(4, { startMs: START - 9, atMs: START - 10 })]), before(), "late, of the run before");
    assert.deepEqual(next([total(7, { atMs: 0 })]), before(), "nobody said when");
    const back = START - 3_600_000;
    assert.deepEqual(next([total(6, { atMs: back })])?.atMs, back, "its clock was set back");
  });

  it("is asked of few metrics", () => {
    const names = ["process.cpu.time", "otelcol_process_memory_rss", "http.server.duration", "__proto__", ""];
    assert.deepEqual(names.map(isUsageMetric), [true, true, false, false, false]);
  });
});
