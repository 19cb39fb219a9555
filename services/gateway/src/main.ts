// Wiring: environment → store → gateway; drained when the process is asked to end.

import { once } from "node:events";
import { runService, startCompacting } from "@muster/runtime";
import { openStore } from "@muster/store";
import { createErrorLog } from "@muster/telemetry";
import { parseConfig } from "./config.ts";
import { openGateway } from "./gateway.ts";

/** Share of the drain's deadline that closing sockets is spread over. */
const SPREAD_MS = 4_000;

await runService(
  "gateway",
  parseConfig,
  async ({ config, signal, defer, log, clock, metrics, health, background, ready }) => {
    const onError = createErrorLog(log, "store.failed");
    const { redisUrl, partitions } = config;
    const encryptionKey = config.encryptionKey();
    const store = await openStore({
      redisUrl,
      controlUrl: config.controlUrl || redisUrl,
      partitions,
      encryptionKey,
      onError,
    });
    defer("store", () => store.close());
    health.check("redis", () => (store.isReady() ? null : "Redis does not answer"));
    // Ten thousand agents that come at once leave garbage for as long as they stay.
    const compacting = startCompacting();
    defer("compacting", () => compacting.stop());
    const gateway = await openGateway({ config, store, clock, metrics, background, onError });
    ready({ opamp: gateway.port });
    // Leaving comes first: while it listens there is no end to what a gateway is given to do.
    if (!signal.aborted) await once(signal, "abort");
    await gateway.drain(SPREAD_MS);
  },
  { healthPort: 9320 },
);
