// Wiring: environment → store, work queue → projector; runs until the process is asked to end.

import { runService } from "@muster/runtime";
import { openQueue, openStore } from "@muster/store";
import { createErrorLog } from "@muster/telemetry";
import { parseConfig } from "./config.ts";
import { createProjector } from "./projector.ts";

await runService(
  "projector",
  parseConfig,
  async ({ config, signal, defer, log, clock, metrics, health, background, ready }) => {
    const onError = createErrorLog(log, "store.failed");
    const { redisUrl, partitions } = config;
    const controlUrl = config.controlUrl || redisUrl;
    const store = await openStore({ redisUrl, controlUrl, partitions, encryptionKey: config.encryptionKey(), onError });
    defer("store", () => store.close());
    const queue = await openQueue(controlUrl, onError);
    defer("queue", () => queue.close());
    health.check("redis", () => (store.isReady() ? null : "Redis does not answer"));
    const projector = createProjector({
      store,
      queue,
      clock,
      log,
      metrics,
      onError,
      retentionMs: 1_000 * config.retentionS,
    });
    background("watch gateways", projector.watch(signal));
    ready();
    await projector.run(signal);
  },
  { healthPort: 9321 },
);
