// The variables that every service takes, whatever it does. runService reads them together with the service's own.

import { type LogFormat, type LogLevel, logFormats, logLevels } from "@muster/telemetry";
import { defineConfig, type ParseConfig } from "./env.ts";
import { boolVar, durationMsVar, enumVar, portVar, stringVar } from "./vars.ts";

/** What every service takes from its environment. */
export interface BaseConfig {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly healthHost: string;
  readonly healthPort: number;
  readonly drainMs: number;
  readonly watchParent: boolean;
}

/** The parser for a service whose health port is `healthPort` unless the environment says otherwise. */
export function baseConfig(healthPort: number): ParseConfig<BaseConfig> {
  return defineConfig({
    logLevel: enumVar("MUSTER_LOG_LEVEL", { values: logLevels, default: "info", help: "Least level of log lines." }),
    logFormat: enumVar("MUSTER_LOG_FORMAT", {
      values: logFormats,
      default: "json",
      help: "One JSON object a line, or text for people.",
    }),
    healthHost: stringVar("MUSTER_HEALTH_HOST", {
      default: "127.0.0.1",
      expects: "an address of this machine",
      help: "Where /healthz, /readyz and /metrics listen; 0.0.0.0 in containers.",
    }),
    healthPort: portVar("MUSTER_HEALTH_PORT", { default: healthPort, help: "Port of /healthz, /readyz and /metrics." }),
    drainMs: durationMsVar("MUSTER_DRAIN_MS", {
      default: 10_000,
      min: 1,
      help: "How long a drain may take before the process ends anyway, with exit code 1.",
    }),
    watchParent: boolVar("MUSTER_PARENT_WATCH", {
      default: false,
      help: "End when standard input closes, so that a service does not outlive the launcher that holds the pipe.",
    }),
  });
}
