// Where the store is: the variables that every service with a store takes, spread into its own (config.ts).

import { intVar, secretBytesVar, urlVar } from "./vars.ts";

const protocols = ["redis:", "rediss:", "redis+cluster:", "rediss+cluster:"];

/** Spread into `defineConfig`: `redisUrl`, `controlUrl` ("" means the same as `redisUrl`), `partitions`, `encryptionKey`. */
export const storeVars = {
  redisUrl: urlVar("REDIS_URL", {
    protocols,
    help: "Redis of the fleet state; redis+cluster://host:port?seed=host:port for a Redis Cluster.",
    example: "redis://127.0.0.1:6379",
  }),
  controlUrl: urlVar("MUSTER_CONTROL_REDIS_URL", {
    protocols,
    default: "",
    example: "redis://127.0.0.1:6380",
    help: "Redis of the control state; the same as REDIS_URL when it is not set.",
  }),
  partitions: intVar("MUSTER_PARTITIONS", {
    default: 16,
    min: 1,
    max: 1024,
    help: "Partitions of the fleet state; fixed when the installation first starts.",
  }),
  encryptionKey: secretBytesVar("MUSTER_ENCRYPTION_KEY", {
    bytes: 32,
    help: "Seals at rest what may hold secrets: offered connection settings and packages, bodies of agents' reports, actions that wait. One key for the whole installation; keep a copy, what it sealed is lost without it.",
  }),
} as const;
