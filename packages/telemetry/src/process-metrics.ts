// What every process measures about itself: event-loop delay and utilization, memory, processor time. Declared once
// by runService. All are read at scrape time; the event-loop monitor is the only thing that runs in between.

import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Labels, Metrics } from "./metrics.ts";

/** Each tick wakes an idle process: a hundred a second would cost it a quarter of a percent of a core, more than all else. */
const resolutionMs = 50;

/** Declares the `muster_process_*` metrics; `stop` ends the event-loop monitor. */
export function observeProcess(metrics: Metrics, service: string): { stop(): void } {
  metrics.observe("muster_process_info", { help: "Which service this is; always 1.", kind: "gauge" }, () => [
    [1, { service, node: process.versions.node }],
  ]);
  const stop = observeEventLoop(metrics);
  metrics.observe(
    "muster_process_resident_memory_bytes",
    { help: "Memory of this process that is in RAM.", unit: "By", kind: "gauge" },
    () => process.memoryUsage.rss(),
  );
  metrics.observe(
    "muster_process_heap_used_bytes",
    { help: "JavaScript heap in use.", unit: "By", kind: "gauge" },
    () => process.memoryUsage().heapUsed,
  );
  metrics.observe(
    "muster_process_cpu_seconds_total",
    { help: "Processor time spent, user and system together.", unit: "s", kind: "counter" },
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  );
  return { stop };
}

/** Event-loop delay since the last scrape, by quantile, and the share of time the loop was busy. */
function observeEventLoop(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  // The monitor measures the whole interval between its own ticks, so an idle loop reads as the resolution.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000) || 0;
  metrics.observe(
    "muster_process_event_loop_delay_seconds",
    { help: "How late timers fired since the last scrape, by quantile.", unit: "s", kind: "gauge" },
    () => {
      const readings: [number, Labels][] = [
        [seconds(delay.percentile(50)), { quantile: "0.5" }],
        [seconds(delay.percentile(99)), { quantile: "0.99" }],
        [seconds(delay.max), { quantile: "1" }],
      ];
      delay.reset();
      return readings;
    },
  );
  let last = performance.eventLoopUtilization();
  metrics.observe(
    "muster_process_event_loop_utilization_ratio",
    { help: "Share of time the event loop was busy since the last scrape, 0 to 1.", unit: "1", kind: "gauge" },
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
  );
  return () => {
    delay.disable();
  };
}
