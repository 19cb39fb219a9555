// Where traces go: the variables that every service that traces takes, spread into its own (config.ts). Named by the
// OpenTelemetry standard, so that what is set for a whole cluster holds here too.

import type { ConfigOf } from "./env.ts";
import { urlVar } from "./vars.ts";

const protocols = ["http:", "https:"];

/** Spread into `defineConfig`; `tracesUrl` reads the values. Headers, certificates and their kin the exporter reads itself. */
export const traceVars = {
  otlpEndpoint: urlVar("OTEL_EXPORTER_OTLP_ENDPOINT", {
    protocols,
    default: "",
    example: "http://127.0.0.1:4318",
    help: "Collector that traces are sent to by OTLP/HTTP, below its v1/traces; no traces when it is not set.",
  }),
  otlpTracesEndpoint: urlVar("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", {
    protocols,
    default: "",
    example: "http://127.0.0.1:4318/v1/traces",
    help: "The same as a full URL; wins over OTEL_EXPORTER_OTLP_ENDPOINT.",
  }),
} as const;

/**
 * The full URL that traces are posted to; undefined: nowhere. A base URL gets `v1/traces` below its path:
 * `http://c:4318` becomes `http://c:4318/v1/traces`, `https://c/otlp/` becomes `https://c/otlp/v1/traces`.
 */
export function tracesUrl(config: ConfigOf<typeof traceVars>): string | undefined {
  if (config.otlpTracesEndpoint !== "") return config.otlpTracesEndpoint;
  if (config.otlpEndpoint === "") return undefined;
  return `${config.otlpEndpoint.replace(/\/+$/, "")}/v1/traces`;
}
