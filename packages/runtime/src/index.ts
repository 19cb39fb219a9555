// What every process needs around its own idea. Closed to anything that is not process lifecycle.
//   service.ts        runService: the life of a process (stop.ts who ends it, closers.ts what was opened)
//   env.ts, vars.ts   declarative environment → typed config (base-config.ts: what every service takes;
//                     store-vars.ts, trace-vars.ts: what several take)
//   clock.ts          time and dice as a value; backoff.ts: how long to wait before trying again
//   background.ts     counted fire-and-forget
//   health.ts         /healthz, /readyz, /metrics
//   compact.ts        gives memory back after a burst

export type { Background, RunInBackground } from "./background.ts";
export { createBackground } from "./background.ts";
export type { Backoff, BackoffPolicy } from "./backoff.ts";
export { backoffMs, createBackoff } from "./backoff.ts";
export type { BaseConfig } from "./base-config.ts";
export { baseConfig } from "./base-config.ts";
export type { Clock } from "./clock.ts";
export { systemClock } from "./clock.ts";
export type { Defer } from "./closers.ts";
export { startCompacting } from "./compact.ts";
export type { ConfigOf, Env, ParseConfig, Variable, Variables } from "./env.ts";
export { ConfigError, defineConfig, renderVariables } from "./env.ts";
export type { Health, HealthCheck, HealthServer, Readiness } from "./health.ts";
export { createHealth, openHealthServer } from "./health.ts";
export type { ServiceContext, ServiceOptions } from "./service.ts";
export { runService } from "./service.ts";
export { storeVars } from "./store-vars.ts";
export { tracesUrl, traceVars } from "./trace-vars.ts";
export type { VariableOptions } from "./vars.ts";
export {
  boolVar,
  durationMsVar,
  enumVar,
  intVar,
  listVar,
  optional,
  portVar,
  secretBytesVar,
  secretVar,
  stringVar,
  urlVar,
} from "./vars.ts";
