// What a gateway takes from its environment.

import {
  boolVar,
  defineConfig,
  durationMsVar,
  intVar,
  listVar,
  optional,
  portVar,
  storeVars,
  stringVar,
  urlVar,
} from "@muster/runtime";

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
    pattern: /^(?!\/v1\/metrics$)\/[\w./-]*$/,
    expects: "a path; /v1/metrics is for agents' own metrics",
    help: "Path of OpAMP, over WebSocket and plain HTTP.",
  }),
  maxMessageBytes: intVar("MUSTER_GATEWAY_MAX_MESSAGE_BYTES", {
    default: 64 * 1024 * 1024,
    min: 1024,
    max: 64 * 1024 * 1024,
    unit: "bytes",
    help: "Largest message in either direction, after decompression; the specification recommends 64 MiB.",
  }),
  maxConnections: intVar("MUSTER_GATEWAY_MAX_CONNECTIONS", {
    default: 0,
    unit: "connections",
    help: "How many WebSockets may be open; 0: as many as the process may open files, less a reserve.",
  }),
  upgradesPerSecond: intVar("MUSTER_GATEWAY_UPGRADES_PER_SECOND", {
    default: 5_000,
    min: 1,
    unit: "connections per second",
    help: "How many WebSockets may be opened per second; others are told to come again in 30 to 60 s.",
  }),
  tokens: listVar("MUSTER_GATEWAY_TOKENS", {
    default: [],
    pattern: /^[a-z0-9][a-z0-9-]{0,62}:[0-9a-f]{64}$/,
    expects: "<identity>:<SHA-256 of its token, 64 hexadecimal digits>, separated by commas",
    example: "edge:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    help: "Bearer tokens that agents must show, each as <identity>:<SHA-256 of the token, hexadecimal>; none: nobody is asked.",
  }),
  customCapabilities: listVar("MUSTER_GATEWAY_CUSTOM_CAPABILITIES", {
    default: [],
    pattern: /^[a-z0-9-]+(\.[A-Za-z0-9_-]+)+(\/[A-Za-z0-9._-]+)?$/,
    expects: "reverse domain names such as io.example.diagnostics or io.example.diagnostics/v2, separated by commas",
    example: "io.example.diagnostics",
    help: "Custom capabilities that agents are told this server has, by their full names.",
  }),
  caCertFile: optional(
    stringVar("MUSTER_GATEWAY_CA_CERT_FILE", {
      help: "PEM file of the CA that signs certificates for agents that ask for one; without it none are signed.",
    }),
  ),
  caKeyFile: optional(stringVar("MUSTER_GATEWAY_CA_KEY_FILE", { help: "PEM file of that CA's private key." })),
  publicEndpoint: optional(
    urlVar("MUSTER_GATEWAY_PUBLIC_ENDPOINT", {
      protocols: ["ws:", "wss:", "http:", "https:"],
      help: "Where agents connect from outside; needed with a CA, because every offer names it.",
    }),
  ),
  certificateDays: intVar("MUSTER_GATEWAY_CERTIFICATE_DAYS", {
    default: 90,
    min: 1,
    max: 3_650,
    unit: "days",
    help: "How long a certificate that is signed for an agent holds.",
  }),
  isStrict: boolVar("MUSTER_GATEWAY_STRICT_SEQUENCE", {
    default: false,
    help: "Ask for full state after every gap in sequence numbers, also when the message told everything already.",
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
    help: "How many agents a second all gateways together ask for their full state; a fleet that answers at once is a storm.",
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
