// Logs, metrics and traces with one shared vocabulary. A leaf: imports nothing of ours.
//   fields.ts           names shared by logs, metrics and traces
//   error-log.ts        errors that come in floods
//   log.ts              the logger: event name plus fields (redact.ts takes secrets out, text.ts is for people)
//   metrics.ts          counters, gauges, histograms and their Prometheus text
//   process-metrics.ts  what every process measures about itself
//   trace.ts            spans over OTLP: imported as @muster/telemetry/trace, since few processes need the SDK

export { createErrorLog } from "./error-log.ts";
export type { FieldName } from "./fields.ts";
export { field } from "./fields.ts";
export type { LogFields, LogFormat, Logger, LoggerOptions, LogLevel } from "./log.ts";
export { createLogger, logFormats, logLevels, silentLogger } from "./log.ts";
export type { Counter, Histogram, Labels, MetricOptions, Metrics, Reading } from "./metrics.ts";
export { createMetrics, metricsContentType } from "./metrics.ts";
export { observeProcess } from "./process-metrics.ts";
