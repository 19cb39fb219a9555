// What agents measure of themselves, from OpenTelemetry's own SDK and exporter, which we did not write, over a real gateway and
// Redis to what operators see.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { type ResourceUsage, ResourceUsageSource } from "@muster/protocol/muster/agents";
import type { Fleet } from "@muster/simulator";
import { until } from "@muster/testkit";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { openWorld, untilListed, type World } from "./world.ts";

const tokenOf = (identity: string) =>
  `${identity}:${createHash("sha256").update(`token-of-${identity}`).digest("hex")}`;
const headersOf = (identity: string) => ({ authorization: `Bearer token-of-${identity}` });
const MEMORY_BYTES = 123_456_789;
/** What the measured process keeps busy: half a processor for itself, a quarter for the system. */
const CORES = { user: 0.5, system: 0.25 };

describe("agents' own metrics", () => {
  let world: World;
  let fleet: Fleet;
  const providers: MeterProvider[] = [];
  before(async () => {
    world = await openWorld({}, { gateway: { MUSTER_GATEWAY_TOKENS: ["edge", "other"].map(tokenOf).join(",") } });
    fleet = await world.fleet({ count: 3, headers: headersOf("edge") });
    await untilListed(world.operator, 3, "connected=true");
  });
  afterEach(async () => {
    await Promise.all(providers.splice(0).map((provider) => provider.shutdown()));
  });
  after(() => world.close());

  const uidOf = (i: number): string => fleet.agents[i]?.uid ?? assert.fail();
  const usageOf = async (instanceUid: string): Promise<ResourceUsage | undefined> =>
    (await world.operator.agents.getAgent({ instanceUid })).agent?.resourceUsage;

  /** A process that measures itself as semantic conventions have it; answers how it is made to tell. */
  function measure(instanceId: string, identity = "edge"): () => Promise<void> {
    const url = `${(world.stack.opampUrls[0] ?? "").replace(/^ws(.*)\/v1\/opamp$/, "http$1")}/v1/metrics`;
    const compression = CompressionAlgorithm.GZIP;
    const exporter = new OTLPMetricExporter({ url, headers: headersOf(identity), compression });
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const resource = resourceFromAttributes({ "service.name": "spec", "service.instance.id": instanceId });
    const provider = new MeterProvider({ resource, readers: [reader] });
    providers.push(provider);
    const meter = provider.getMeter("spec");
    const startMs = performance.now();
    meter.createObservableUpDownCounter("process.memory.usage", { unit: "By" }).addCallback((result) => {
      result.observe(MEMORY_BYTES);
    });
    meter.createObservableCounter("process.cpu.time", { unit: "s" }).addCallback((result) => {
      const seconds = (performance.now() - startMs) / 1_000;
      for (const [mode, cores] of Object.entries(CORES)) result.observe(cores * seconds, { "cpu.mode": mode });
      result.observe(10 * seconds, { "cpu.mode": "wait" });
    });
    meter.createHistogram("http.server.request.duration").record(0.2);
    return () => provider.forceFlush();
  }

  /** Tells until operators see the agent's cores: a point tells them only with the one before. */
  async function untilCores(i: number, tell: () => Promise<void>): Promise<ResourceUsage> {
    const seen = async () => {
      await tell();
      const usage = await usageOf(uidOf(i));
      return usage?.cpuCores === undefined ? false : usage;
    };
    return await until(seen, { timeoutMs: 20_000, what: "the agent's cores" });
  }

  it("show what an agent takes", async () => {
    const usage = await untilCores(0, measure(uidOf(0)));
    assert.deepEqual([usage.memoryBytes, usage.source], [BigInt(MEMORY_BYTES), ResourceUsageSource.OWN_METRICS]);
    assert.ok(Math.abs((usage.cpuCores ?? 0) - 0.75) < 0.1, `${usage.cpuCores} cores`);
    assert.equal(usage.cpuPercent, undefined, "nobody said how many processors there are");
  });

  it("are not taken of agents that are not known, or belong to another identity", async () => {
    const [foreign, unknown] = [measure(uidOf(1), "other"), measure("01890a5d-ac96-774b-bcce-b302099a8057")];
    for (const [what, tell] of [
      ["nobody", measure("otelcol-1")],
      ["another's", foreign],
      ["unknown", unknown],
    ] as const) {
      const before = await refusedCount();
      const isRefused = async () => {
        await tell();
        return (await refusedCount()) > before;
      };
      await until(isRefused, { what: `the refusal of ${what}` });
    }
    assert.equal(await usageOf(uidOf(1)), undefined);
  });

  async function refusedCount(): Promise<number> {
    const response = await fetch(`${world.stack.of("gateway")[0].healthUrl}/metrics`, {
      headers: { connection: "close" },
    });
    const page = await response.text();
    return Number(/^muster_gateway_own_metrics_refused_resources_total(?:{.*})? (\d+)/m.exec(page)?.[1]);
  }
});
