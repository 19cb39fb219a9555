// Names, kinds and values as Prometheus sees them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMetrics } from "./metrics.ts";
import { observeProcess } from "./process-metrics.ts";

async function samples(metrics: { render(): Promise<string> }): Promise<string[]> {
  return (await metrics.render()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

describe("createMetrics", () => {
  it("keeps a gauge's name as it is", async () => {
    const metrics = createMetrics("gateway");
    let sessions = 0;
    metrics.observe(
      "muster_gateway_sessions",
      { help: "Open sessions.", unit: "{sessions}", kind: "gauge" },
      () => sessions,
    );
    sessions = 3;
    assert.deepEqual(await samples(metrics), ["muster_gateway_sessions 3"]);
    const text = await metrics.render();
    assert.match(text, /^# HELP muster_gateway_sessions Open sessions\.$/m);
    assert.match(text, /^# TYPE muster_gateway_sessions gauge$/m);
    assert.ok(text.endsWith("\n"));
  });

  it("writes counters with exactly one _total", async () => {
    const metrics = createMetrics("gateway");
    const frames = metrics.counter("muster_gateway_frames_total", { help: "Frames." });
    frames.add();
    frames.add(2, { transport: "ws" });
    let hits = 7;
    metrics.observe("muster_gateway_hits_total", { help: "Hits.", kind: "counter" }, () => hits);
    assert.deepEqual(await samples(metrics), [
      "muster_gateway_frames_total 1",
      'muster_gateway_frames_total{transport="ws"} 2',
      "muster_gateway_hits_total 7",
    ]);
    hits = 9;
    assert.ok((await samples(metrics)).includes("muster_gateway_hits_total 9"));
    assert.match(await metrics.render(), /^# TYPE muster_gateway_hits_total counter$/m);
  });

  it("reads one number per set of labels", async () => {
    const metrics = createMetrics("projector");
    metrics.observe("muster_projector_lag_events", { help: "Lag.", kind: "gauge" }, () => [
      [4, { partition: 0 }],
      [0, { partition: 1 }],
    ]);
    assert.deepEqual(await samples(metrics), [
      'muster_projector_lag_events{partition="0"} 4',
      'muster_projector_lag_events{partition="1"} 0',
    ]);
  });

  it("writes a histogram in seconds without a second suffix", async () => {
    const metrics = createMetrics("gateway");
    const latency = metrics.histogram("muster_gateway_offer_latency_seconds", {
      help: "x",
      unit: "s",
      buckets: [0.1, 1],
    });
    latency.record(0.05);
    latency.record(0.5);
    latency.record(5);
    assert.deepEqual(await samples(metrics), [
      "muster_gateway_offer_latency_seconds_count 3",
      "muster_gateway_offer_latency_seconds_sum 5.55",
      'muster_gateway_offer_latency_seconds_bucket{le="0.1"} 1',
      'muster_gateway_offer_latency_seconds_bucket{le="1"} 2',
      'muster_gateway_offer_latency_seconds_bucket{le="+Inf"} 3',
    ]);
  });

  it("loses only the metric whose read throws, and says so", async () => {
    const metrics = createMetrics("gateway");
    metrics.observe("muster_gateway_broken", { help: "x", kind: "gauge" }, () => {
      throw new Error("no reading");
    });
    metrics.observe("muster_gateway_fine", { help: "x", kind: "gauge" }, () => 1);
    assert.deepEqual(await samples(metrics), ["muster_gateway_fine 1"]);
    assert.match(await metrics.render(), /^# a metric could not be read: .*no reading/m);
  });

  const refused = [
    { name: "muster_gateway_frames", kind: "counter", why: /ends in _total/ },
    { name: "muster_gateway_sessions_total", kind: "gauge", why: /only a counter/ },
    { name: "Muster-Sessions", kind: "gauge", why: /lower case/ },
  ] as const;
  for (const c of refused) {
    it(`refuses the ${c.kind} ${c.name}`, () => {
      const metrics = createMetrics("x");
      assert.throws(() => metrics.observe(c.name, { help: "x", kind: c.kind }, () => 0), c.why);
    });
  }

  it("refuses the same name twice", () => {
    const metrics = createMetrics("x");
    metrics.counter("muster_x_total", { help: "x" });
    assert.throws(() => metrics.counter("muster_x_total", { help: "x" }), /declared twice/);
  });
});

describe("observeProcess", () => {
  it("measures the event loop, memory and processor time", async () => {
    const metrics = createMetrics("gateway");
    const observed = observeProcess(metrics, "gateway");
    const text = await metrics.render();
    observed.stop();
    for (const name of [
      /^muster_process_info\{service="gateway",node="[\d.]+"\} 1$/m,
      /^muster_process_event_loop_delay_seconds\{quantile="0\.99"\} [\d.e-]+$/m,
      /^muster_process_event_loop_utilization_ratio [\d.e-]+$/m,
      /^muster_process_resident_memory_bytes \d+$/m,
      /^muster_process_heap_used_bytes \d+$/m,
      /^muster_process_cpu_seconds_total [\d.e-]+$/m,
    ]) {
      assert.match(text, name);
    }
  });
});
