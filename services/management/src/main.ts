// Wiring: environment → store → gRPC API; drained when the process is asked to end.

import { readFileSync } from "node:fs";
import { runService } from "@muster/runtime";
import { openQueue, openStore } from "@muster/store";
import { createErrorLog } from "@muster/telemetry";
import { v7 } from "uuid";
import { parseConfig } from "./config.ts";
import { openManagement } from "./management.ts";
import { createCallMetrics } from "./metrics.ts";
import { openServer } from "./server.ts";

/** How long calls in hand may take when the process is to end; less than the drain of the whole process. */
const DRAIN_MS = 5_000;

await runService(
  "management",
  parseConfig,
  async ({ config, signal, defer, log, clock, metrics, health, background, ready }) => {
    const onError = createErrorLog(log, "store.failed");
    const { redisUrl, partitions, host, port, tlsFiles } = config;
    const controlUrl = config.controlUrl || redisUrl;
    const encryptionKey = config.encryptionKey();
    const store = await openStore({ redisUrl, controlUrl, partitions, encryptionKey, onError });
    defer("store", () => store.close());
    health.check("redis", () => (store.isReady() ? null : "Redis does not answer"));
    if (store.durability === "eventually") {
      log.warn("control.durability-weak", { remedy: "set appendonly yes and appendfsync always, or use Redis 7.2" });
    }
    const queue = await openQueue(controlUrl, onError);
    defer("queue", () => queue.close());
    const { nowMs } = clock;
    const served = await openManagement({ store, queue, clock, background, onError }, signal);
    const tls = tlsFiles && { cert: readFileSync(tlsFiles.certFile), key: readFileSync(tlsFiles.keyFile) };
    const deps = { log, metrics: createCallMetrics(metrics), nowMs, newId: () => v7() };
    const server = await openServer(served, { host, port, tls }, deps);
    defer("grpc", () => server.drain(DRAIN_MS));
    ready({ grpc: server.port });
  },
  { healthPort: 9323 },
);
