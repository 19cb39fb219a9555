// What /proc, Redis and services say, as numbers.

import assert from "node:assert/strict";
import { it } from "node:test";
import { rangeOf, split } from "../lean/fleet.ts";
import { cpuMicros, residentBytes } from "./process-cost.ts";
import { parseCommandStats } from "./redis-cost.ts";
import { eventLoopDelayP99Ms, parseScrape, reading } from "./service-metrics.ts";

it("reads the cost of one process and of several", () => {
  assert.ok(cpuMicros(process.pid) > 0);
  assert.ok(residentBytes(process.pid, process.pid) > 1.9 * residentBytes(process.pid));
  assert.equal(cpuMicros(), 0);
});

it("counts the commands of others, not its own", () => {
  const info =
    "# Commandstats\r\ncmdstat_evalsha:calls=12,usec=3,usec_per_call=0.2\r\ncmdstat_info:calls=9,usec=1\r\ncmdstat_client|id:calls=2,usec=1\r\n";
  assert.deepEqual(
    [...parseCommandStats(info)],
    [
      ["evalsha", 12],
      ["client|id", 2],
    ],
  );
});

it("reads metrics with and without labels", () => {
  const readings = parseScrape(
    '# HELP a b\nmuster_a 3\nmuster_a_total{x="1"} 4\nmuster_a_total{x="2"} 5\nmuster_process_event_loop_delay_seconds{quantile="0.99"} 0.0125\n',
  );
  assert.equal(reading(readings, "muster_a"), 3);
  assert.equal(reading(readings, "muster_a_total"), 9);
  assert.equal(reading(readings, "muster_a_total", '"2"'), 5);
  assert.equal(eventLoopDelayP99Ms(readings), 12.5);
});

it("splits a fleet over processes without losing an agent", () => {
  assert.deepEqual(split(10, 3), [3, 3, 4]);
  assert.deepEqual(split(2, 3), [0, 1, 1]);
  const parts = [
    { from: 0, to: 0.25 },
    { from: 0.25, to: 0.95 },
    { from: 0.95, to: 1 },
  ];
  const ranges = parts.map((part) => rangeOf(33, part));
  assert.deepEqual(ranges, [
    { from: 0, count: 8 },
    { from: 8, count: 23 },
    { from: 31, count: 2 },
  ]);
});
