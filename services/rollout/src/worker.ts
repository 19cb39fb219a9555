// A rollout worker, wired: what to do for each kind of work the queue hands out. main.ts opens it.

import type { RolloutId } from "@muster/fleet";
import type { Clock } from "@muster/runtime";
import type { Store, WorkHandlers, WorkQueue } from "@muster/store";
import type { Logger, Metrics } from "@muster/telemetry";
import type { Tracer } from "@muster/telemetry/trace";
import pLimit from "p-limit";
import { type AssignDeps, assign } from "./assign.ts";
import { createBreather } from "./breather.ts";
import { type MeasureDeps, measure } from "./measure.ts";
import { type MeasureDueDeps, measureDue } from "./measure-due.ts";
import { loadPeers } from "./peers.ts";
import { loadInput, type ReconcileDeps, reconcile } from "./reconcile.ts";
import { spansOf } from "./trace-rollout.ts";

/** What a worker needs of its process. */
export interface WorkerDeps {
  readonly store: Store;
  readonly queue: WorkQueue;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  /** Where gates are measured. */
  readonly gates: Pick<MeasureDeps, "providers" | "webhook">;
  /** Aborts when the process is to end. */
  readonly signal: AbortSignal;
}

/** Deciding is work for the processor: more partitions at once would only keep the first agents waiting for the last. */
const ASSIGNS_AT_ONCE = 2;

/** The handlers of a worker. */
export function createHandlers(deps: WorkerDeps): WorkHandlers {
  const { store, queue, clock, log, metrics } = deps;
  const { agents, desired, rollouts, gateways, partitions, sessions } = store;
  const counts = { reconciled: 0, conflicts: 0, assigned: 0, measured: 0 };
  observe(metrics, counts);
  const reconcileDeps = createReconcileDeps(deps);
  const assignDeps: AssignDeps = {
    loadViews: agents.load,
    loadDesired: desired.load,
    componentsAt: store.componentsAt,
    partitionOf: sessions.partitionOf,
    page: agents.pageOf,
    assignments: desired.assignments,
    raise: desired.raise,
    assignedVersion: desired.assignedVersion,
    setAssignedVersion: desired.setAssignedVersion,
    unassigned: desired.unassigned,
    settle: desired.settle,
    decideAgain: desired.decideAgain,
    exclusions: rollouts.exclusions,
    waves: rollouts.waves,
    write: desired.assign,
    remove: rollouts.remove,
    requestReconcile: queue.requestReconcile,
    hint: gateways.hint,
    fleetLostAtMs: rollouts.fleetLostAtMs,
    nowMs: clock.nowMs,
    onAssigned(count) {
      counts.assigned += count;
    },
  };
  const breather = createBreather<RolloutId>();
  const inTurn = pLimit(ASSIGNS_AT_ONCE);
  const measureDeps = createMeasureDeps(deps, reconcileDeps, counts);
  return {
    async reconcile(id) {
      // Assigning goes first: it is what the pass before decided. Put off, not planned: the pass under way plans its own wake-up.
      const againAtMs = breather.begin(id, clock.nowMs(), inTurn.activeCount > 0);
      if (againAtMs !== null) return await queue.putOffReconcile(id, againAtMs);
      const outcome = await reconcile(id, reconcileDeps).finally(() => breather.end(id, clock.nowMs()));
      counts.reconciled += 1;
      if (outcome.kind === "conflict") counts.conflicts += 1;
    },
    assign: (partition) => inTurn(() => assign(partition, assignDeps)),
    measure: (id) => measureDue(id, measureDeps),
    async sweep() {
      const active = await rollouts.active();
      await Promise.all(active.map((id) => queue.ensureReconcile(id)));
      await Promise.all(Array.from({ length: partitions }, (_, p) => queue.requestAssign(p)));
      const count = await rollouts.forgetOld();
      if (count > 0) log.info("rollout.forgotten", { count });
    },
  };
}

function createReconcileDeps({ store, queue, clock, log, tracer }: WorkerDeps): ReconcileDeps {
  const { cohorts, desired, rollouts, calendars, partitions, sessions } = store;
  return {
    loadRollout: rollouts.get,
    loadCohort: cohorts.load,
    admissionCount: rollouts.admissionCount,
    loadPeers: (rollout) => loadPeers(rollout, { rollouts, desired }),
    async loadCalendars(ids) {
      const found = await Promise.all(ids.map((id) => calendars.get(id)));
      return found.flatMap((stored) => (stored === undefined ? [] : [stored.document]));
    },
    loadRemoved: rollouts.removed,
    loadReadings: rollouts.readings,
    async quarantineOf({ configId, hash }) {
      return (await rollouts.quarantined(configId)).find((each) => each.hash === hash)?.reason ?? null;
    },
    fleetLostAtMs: rollouts.fleetLostAtMs,
    commit: rollouts.commit,
    requestAssign: queue.requestAssign,
    exclude: rollouts.exclude,
    forgive: rollouts.forgive,
    decideAgain: desired.decideAgain,
    partitionOf: sessions.partitionOf,
    requestReconcileAt: queue.requestReconcileAt,
    putOffReconcile: queue.putOffReconcile,
    requestMeasure: queue.requestMeasure,
    async requestPeers(id) {
      const others = (await rollouts.active()).filter((each) => each !== id);
      await Promise.all(others.map((each) => queue.requestReconcile(each)));
    },
    nowMs: clock.nowMs,
    partitions,
    onMoved(rollout, next, input) {
      for (const span of spansOf(rollout, next, input)) tracer.record(span);
      for (const { phase, kind, reason, message } of next.decisions) {
        log.info("rollout.decided", { rollout: rollout.spec.id, phase, kind, reason, message });
      }
    },
  };
}

function createMeasureDeps(
  deps: WorkerDeps,
  reconcileDeps: ReconcileDeps,
  counts: { measured: number },
): MeasureDueDeps {
  const { store, queue, clock, gates, signal } = deps;
  return {
    loadRollout: store.rollouts.get,
    loadInput: (rollout) => loadInput(rollout, reconcileDeps),
    async measure(request, aborted) {
      counts.measured += 1;
      return await measure(request, { ...gates, nowMs: clock.nowMs }, aborted);
    },
    record: store.rollouts.record,
    requestReconcile: queue.requestReconcile,
    signal,
  };
}

function observe(
  metrics: Metrics,
  counts: {
    readonly reconciled: number;
    readonly conflicts: number;
    readonly assigned: number;
    readonly measured: number;
  },
): void {
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.observe(name, { help, kind: "counter" }, read);
  counter("muster_rollout_reconciles_total", "How many passes over a rollout were made?", () => counts.reconciled);
  counter("muster_rollout_conflicts_total", "How many met a faster worker?", () => counts.conflicts);
  counter("muster_rollout_assigned_agents_total", "How many desired configs were written?", () => counts.assigned);
  counter("muster_rollout_measurements_total", "How many measurements of gates were taken?", () => counts.measured);
}
