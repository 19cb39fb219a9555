// What the management service measures.

import type { Metrics } from "@muster/telemetry";

/** Counts calls as they end. */
export interface CallMetrics {
  /** Calls that run now: streams, mostly. */
  running: number;
  ended(method: string, code: string, elapsedMs: number): void;
}

/** Declares the service's metrics. */
export function createCallMetrics(metrics: Metrics): CallMetrics {
  const calls = metrics.counter("muster_management_calls_total", {
    help: "How many calls ended how?",
    unit: "{calls}",
  });
  const seconds = metrics.histogram("muster_management_call_duration_seconds", {
    help: "How long do calls take? Streams count when they end.",
    unit: "s",
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
  });
  const state: CallMetrics = {
    running: 0,
    ended(method, code, elapsedMs) {
      calls.add(1, { method, code });
      seconds.record(elapsedMs / 1_000, { method });
    },
  };
  const running = { help: "How many calls, watches above all, run now?", unit: "{calls}", kind: "gauge" } as const;
  metrics.observe("muster_management_calls_running", running, () => state.running);
  return state;
}
