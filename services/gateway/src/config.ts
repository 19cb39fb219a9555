// What a gateway takes from its environment.

import { defineConfig, durationMsVar, intVar, portVar, storeVars, stringVar } from "@muster/runtime";

/** The environment of a gateway as a typed object. */
export const parseConfig = defineConfig({
  ...storeVars,
  name: stringVar("MUSTER_GATEWAY_ID", {
    default: "gateway",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$/,
    expects: "1 to 61 letters, digits, dots or dashes",
    help: "Name of this gateway, as operators see it; each start adds a suffix of its own.",
  }),
  host: stringVar("MUSTER_GATEWAY_HOST", { default: "0.0.0.0", help: "Address that agents connect to." }),
  port: portVar("MUSTER_GATEWAY_PORT", { default: 4320, help: "Port that agents connect to." }),
  path: stringVar("MUSTER_GATEWAY_PATH", {
    default: "/v1/opamp",
    pattern: /^\/[\w./-]*$/,
    expects: "a path",
    help: "Path of OpAMP, over WebSocket and plain HTTP.",
  }),
  maxMessageBytes: intVar("MUSTER_GATEWAY_MAX_MESSAGE_BYTES", {
    default: 64 * 1024 * 1024,
    min: 1024,
    max: 64 * 1024 * 1024,
    unit: "bytes",
    help: "Largest message in either direction, after decompression; the specification recommends 64 MiB.",
  }),
  flushMs: durationMsVar("MUSTER_GATEWAY_FLUSH_MS", {
    default: 25,
    min: 1,
    max: 5_000,
    help: "How long changes are gathered before they are written.",
  }),
  fullStatePerSecond: intVar("MUSTER_GATEWAY_FULL_STATE_PER_SECOND", {
    default: 500,
    min: 1,
    unit: "agents per second",
    help: "How many agents a second are asked for their full state; a whole fleet that answers at once is a storm.",
  }),
  resyncMs: durationMsVar("MUSTER_GATEWAY_RESYNC_MS", {
    default: 10 * 60_000,
    min: 1_000,
    help: "How often every session's desired config is read again, to heal lost hints.",
  }),
  httpSilenceMs: durationMsVar("MUSTER_GATEWAY_HTTP_SILENCE_MS", {
    default: 105_000,
    min: 1_000,
    help: "How long a polling agent may be silent: three polls of 30 s and some slack.",
  }),
});

/** What parseConfig answers. */
export type Config = ReturnType<typeof parseConfig>;
