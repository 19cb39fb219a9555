// Wiring: environment → store, work queue → worker; finishes the jobs in hand when the process is asked to end.

import { runService, tracesUrl } from "@muster/runtime";
import { openQueue, openStore, openWorker } from "@muster/store";
import { createErrorLog } from "@muster/telemetry";
import { createTracer } from "@muster/telemetry/trace";
import { parseConfig } from "./config.ts";
import { createGateSources } from "./gate-sources.ts";
import { createHandlers } from "./worker.ts";

await runService(
  "rollout",
  parseConfig,
  async ({ config, defer, signal, log, clock, metrics, health, ready }) => {
    const onError = createErrorLog(log, "store.failed");
    const { redisUrl, partitions } = config;
    const controlUrl = config.controlUrl || redisUrl;
    const store = await openStore({ redisUrl, controlUrl, partitions, encryptionKey: config.encryptionKey(), onError });
    defer("store", () => store.close());
    if (store.durability === "eventually") {
      log.warn("control.durability-weak", { remedy: "set appendonly yes and appendfsync always, or use Redis 7.2" });
    }
    const queue = await openQueue(controlUrl, onError);
    defer("queue", () => queue.close());
    health.check("redis", () => (store.isReady() ? null : "Redis does not answer"));
    const onTraceError = createErrorLog(log, "traces.send-failed");
    const tracer = createTracer({ service: "rollout", endpoint: tracesUrl(config), onError: onTraceError });
    defer("traces", () => tracer.close());
    const gates = createGateSources(config, clock);
    const handlers = createHandlers({ store, queue, clock, log, metrics, tracer, gates, signal });
    const closeWorker = await openWorker(controlUrl, handlers, onError);
    defer("worker", closeWorker);
    ready();
  },
  { healthPort: 9322 },
);
