// A projector, wired: event streams → views, and the reaper beside. main.ts opens it.

import { randomUUID } from "node:crypto";
import { type AgentEvent, parseSelector } from "@muster/fleet";
import type { Clock } from "@muster/runtime";
import type { Store, WorkQueue } from "@muster/store";
import type { Logger, Metrics } from "@muster/telemetry";
import { forgetGone, GONE } from "./forget-gone.ts";
import { createHealLabels, lookAgain } from "./heal-labels.ts";
import { type ProjectDeps, project } from "./project.ts";
import { reap } from "./reap.ts";
import { createSweep, type SweepDeps } from "./sweep.ts";

/** What a projector needs of its process. */
export interface ProjectorDeps {
  readonly store: Store;
  readonly queue: Pick<WorkQueue, "requestReconcile" | "requestAssign">;
  readonly clock: Pick<Clock, "nowMs" | "delay">;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How long agents that went away are remembered; 0: for ever. */
  readonly retentionMs: number;
  onError(error: unknown): void;
}

/** A projector. */
export interface Projector {
  /** Projects until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Looks after dead gateways, agents that do not come back, and the lag, until the signal aborts. */
  watch(signal: AbortSignal): Promise<void>;
}

const REAP_MS = 2_000;
/** Who says that it applied a config while nobody could tell whether it shows it: what it should run was not known then. */
const UNTOLD = parseSelector("config.status=applied,connected=true,!config.drift");

export function createProjector(options: ProjectorDeps): Projector {
  const { store, queue, clock, log, metrics, onError } = options;
  const consumer = `projector-${randomUUID()}`;
  const counts = { agents: 0, changed: 0, reaped: 0, forgotten: 0, lag: 0, deadLetters: 0 };
  const deps: ProjectDeps = {
    project: store.agents.project,
    loadDesired: store.desired.load,
    activeRollouts: async () => new Set(await store.rollouts.active()),
    partitionOf: store.sessions.partitionOf,
    requestReconcile: queue.requestReconcile,
    requestAssign: queue.requestAssign,
    nowMs: clock.nowMs,
    onError,
    onProjected(agents, changed) {
      counts.agents += agents;
      counts.changed += changed;
    },
  };
  observe(metrics, counts);
  const reapDeps = {
    gateways: store.gateways.list,
    connectedAt: store.agents.connectedAt,
    load: store.agents.load,
    owner: store.sessions.owner,
    isAlive: store.gateways.isAlive,
    endLost: store.sessions.endLost,
    project: (events: readonly AgentEvent[]) => project([{ partition: 0, entryId: "", events }], deps),
    forget: store.gateways.forget,
    nowMs: clock.nowMs,
    onReaped: (gateway: string, count: number) => log.warn("gateway.lost", { gateway, agents: count }),
  };
  const sweeps = createSweeps(options, counts, reapDeps.project);
  return {
    run: (signal) => store.events.consume(consumer, (batches) => project(batches, deps), signal),
    async watch(signal) {
      while (!signal.aborted) {
        try {
          counts.reaped += await reap(reapDeps);
          for (const sweep of sweeps) await sweep();
          counts.lag = await store.events.lag();
          counts.deadLetters = await store.events.deadLetters();
        } catch (error) {
          onError(error);
        }
        await clock.delay(REAP_MS, signal);
      }
    },
  };
}

/** What no event brings about. */
function createSweeps(
  { store, log, clock: { nowMs }, retentionMs }: ProjectorDeps,
  counts: { forgotten: number },
  projectAll: (events: readonly AgentEvent[]) => Promise<void>,
): readonly (() => Promise<void>)[] {
  const { pageOf, load, forget } = store.agents;
  const { partitions } = store;
  const onForgotten = (count: number): void => {
    log.info("agents.forgotten", { agents: count });
    counts.forgotten += count;
  };
  const gone = { retentionMs, load, forget, nowMs, onForgotten };
  const sweep = (selector: SweepDeps["selector"], visit: SweepDeps["visit"]) =>
    createSweep({ partitions, selector, pageOf, nowMs, visit });
  return [
    ...(retentionMs === 0 ? [] : [sweep(GONE, (uids) => forgetGone(gone, uids))]),
    sweep(UNTOLD, (uids) => projectAll(uids.map((uid) => lookAgain(uid, nowMs())))),
    createHealLabels({ scan: store.metadata.scan, load, project: projectAll, nowMs }),
  ];
}

function observe(
  metrics: Metrics,
  counts: {
    readonly agents: number;
    readonly changed: number;
    readonly reaped: number;
    readonly forgotten: number;
    readonly lag: number;
    readonly deadLetters: number;
  },
): void {
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.observe(name, { help, kind: "counter" }, read);
  counter("muster_projector_agents_total", "How many agents' events were folded?", () => counts.agents);
  counter("muster_projector_changed_agents_total", "How many views changed by it?", () => counts.changed);
  counter("muster_projector_lost_agents_total", "How many agents were lost with their gateway?", () => counts.reaped);
  counter(
    "muster_projector_forgotten_agents_total",
    "How many agents were forgotten that did not come back?",
    () => counts.forgotten,
  );
  metrics.observe(
    "muster_projector_dead_letter_entries",
    { help: "How many stream entries were put aside since nobody could read or project them?", kind: "gauge" },
    () => counts.deadLetters,
  );
  metrics.observe(
    "muster_projector_lag_entries",
    { help: "How many stream entries wait to be projected?", kind: "gauge" },
    () => counts.lag,
  );
}
