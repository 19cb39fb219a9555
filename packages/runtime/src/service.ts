// The life of a process, written once: config, logger, health port, the service's own work, and a drain that ends in
// time. Called by every service's main.ts and by nothing else; the only place that exits the process.
//
// Invariants
//   L1. Every end goes through the same drain: the work returns, background tasks end, closers run in reverse.
//   L2. The process ends at most `MUSTER_DRAIN_MS` after it was first asked to, and at once when asked again; what was
//       still open is named and the exit code is 1.
//   L3. Whatever fails before the service is ready ends it with exit code 1 and one line.

import { createLogger, createMetrics, field, type Logger, type Metrics, observeProcess } from "@muster/telemetry";
import { createBackground, type RunInBackground } from "./background.ts";
import { type BaseConfig, baseConfig } from "./base-config.ts";
import { type Clock, systemClock } from "./clock.ts";
import { createClosers, type Defer } from "./closers.ts";
import { ConfigError, type Env, parseAll } from "./env.ts";
import { createHealth, type Health, openHealthServer } from "./health.ts";
import { listenForStop, type Stop } from "./stop.ts";

/** What a service's own work is given. */
export interface ServiceContext<C> {
  readonly config: C;
  /** Aborts when the process is to end; everything that waits takes it. */
  readonly signal: AbortSignal;
  /** Registers how to close what was just opened; closers run in reverse when the work has returned. */
  readonly defer: Defer;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Add a check for each dependency without which the service is not ready. */
  readonly health: Health;
  /** Hands over a running task; it must end by itself soon after `signal` aborts. */
  readonly background: RunInBackground;
  /**
   * Says that the service does its work from now on: `/readyz` answers 200 and `service.ready` is logged with
   * `ports`. Work that returns is ready by then; work that runs until `signal` aborts calls this itself.
   */
  readonly ready: (ports?: Readonly<Record<string, number>>) => void;
}

/** What differs between services besides their work. */
export interface ServiceOptions {
  /** Default of MUSTER_HEALTH_PORT; 0 (the default) takes any free port. */
  readonly healthPort?: number;
}

/**
 * Runs one service until it is asked to end, then exits the process: 0 when everything was closed in time, else 1.
 *
 * `run` either returns when everything is open (the service then stays up until the signal) or runs until `signal`
 * aborts. If it throws, the service drains and exits 1.
 */
export async function runService<C>(
  name: string,
  parseConfig: (env: Env) => C,
  run: (context: ServiceContext<C>) => Promise<void>,
  options: ServiceOptions = {},
): Promise<never> {
  const { base, config } = loadConfig(name, parseConfig, options);
  const log = createLogger({ service: name, level: base.logLevel, format: base.logFormat });
  exitOnCrash(log);
  const stop = listenForStop(base);
  const clean = await live(name, base, stop, log, (context) => run({ ...context, config }));
  return process.exit(clean ? 0 : 1);
}

type BareContext = Omit<ServiceContext<unknown>, "config">;

/** From opening the health port to the last closer; resolves whether all of it went well. */
async function live(
  name: string,
  base: BaseConfig,
  stop: Stop,
  log: Logger,
  run: (context: BareContext) => Promise<void>,
): Promise<boolean> {
  const { signal } = stop;
  const closers = createClosers();
  const tasks = createBackground(log);
  const life: { phase: "starting" | "ready" | "failed"; working: boolean } = { phase: "starting", working: true };

  const work = async () => {
    const outfit = await openOutfit(name, base, closers.defer, () => (signal.aborted ? "draining" : life.phase));
    const ready = (ports: Readonly<Record<string, number>> = {}) => {
      if (life.phase !== "starting" || signal.aborted) return;
      life.phase = "ready";
      log.info("service.ready", { ...ports, health: outfit.healthPort });
    };
    const { metrics, health } = outfit;
    const { background } = tasks;
    await run({ signal, defer: closers.defer, log, clock: systemClock, metrics, health, background, ready });
    ready();
  };
  const worked = work()
    .catch((error: unknown) => {
      if (signal.aborted && isAbort(error)) return; // ended as asked
      logFailure(log, life.phase === "starting" ? "service.start-failed" : "service.failed", error);
      life.phase = "failed";
      stop.abort("failure");
    })
    .then(() => {
      life.working = false;
    });

  await aborted(signal);
  if (life.phase !== "failed") log.info("service.stopping", { [field.reason]: abortReason(signal) });
  let failedClosers = 0;
  const drained = worked
    .then(tasks.idle)
    .then(() =>
      closers.closeAll((closer, error) => {
        failedClosers += 1;
        log.error("closer.failed", { closer, [field.error]: error });
      }),
    )
    .then(tasks.idle);
  const forcedBy = await Promise.race([drained, stop.forced]);
  if (forcedBy !== undefined) {
    const running = tasks.openNames().map((task) => `background ${task}`);
    const open = [...(life.working ? ["main work"] : []), ...running, ...closers.openNames()];
    log.error("service.drain-failed", { [field.reason]: forcedBy, open });
    return false;
  }
  if (life.phase !== "failed") log.info("service.stopped");
  return life.phase !== "failed" && failedClosers === 0;
}

/** What every service has around its work: metrics about itself and the health port that shows them. */
async function openOutfit(name: string, base: BaseConfig, defer: Defer, phase: () => string) {
  const metrics = createMetrics(name);
  const health = createHealth();
  health.check("service", () => (phase() === "ready" ? null : phase()));
  const observed = observeProcess(metrics, name);
  defer("process metrics", () => observed.stop());
  const address = { host: base.healthHost, port: base.healthPort };
  const server = await openHealthServer(address, health, metrics).catch((error: unknown) => {
    if (!isInUse(error)) throw error;
    const { host, port } = address;
    throw new Error(`${host}:${port} is in use; stop what listens there or set MUSTER_HEALTH_PORT (0 = any free)`);
  });
  defer("health port", () => server.close());
  return { metrics, health, healthPort: server.port };
}

/** Both configs, or the end of the process with one line per problem on standard error. */
function loadConfig<C>(name: string, parseConfig: (env: Env) => C, { healthPort = 0 }: ServiceOptions) {
  try {
    const [base, config] = parseAll(process.env, baseConfig(healthPort), parseConfig);
    return { base, config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`${name}: ${problem}\n`);
    return process.exit(1);
  }
}

/** A bug that nobody caught: the state of the process is unknown, so it is logged and not drained. */
function exitOnCrash(log: Logger): void {
  const crash = (origin: string) => (error: unknown) => {
    log.error("service.crashed", { origin, [field.error]: error });
    process.exit(1);
  };
  process.on("uncaughtException", crash("uncaughtException"));
  process.on("unhandledRejection", crash("unhandledRejection"));
}

/** One line for what was foreseen; a stack only where the error looks like a bug of ours. */
function logFailure(log: Logger, event: string, error: unknown): void {
  const isBug = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
  if (isBug || !(error instanceof Error)) log.error(event, { [field.error]: error });
  else log.error(event, { [field.reason]: error.message });
  log.debug(event, { [field.error]: error });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || isAbort(error.cause));
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function abortReason(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
}
