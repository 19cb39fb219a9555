// Wiring: environment → store, work queue → worker; finishes the jobs in hand when the process is asked to end.

import { runService } from "@muster/runtime";
import { openQueue, openStore, openWorker } from "@muster/store";
import { createErrorLog } from "@muster/telemetry";
import { parseConfig } from "./config.ts";
import { createHandlers } from "./worker.ts";

await runService(
  "rollout",
  parseConfig,
  async ({ config, defer, log, clock, metrics, health, ready }) => {
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
    const closeWorker = await openWorker(controlUrl, createHandlers({ store, queue, clock, log, metrics }), onError);
    defer("worker", closeWorker);
    ready();
  },
  { healthPort: 9322 },
);
