// A rollout worker, wired: what to do for each kind of work the queue hands out. main.ts opens it.

import type { Clock } from "@muster/runtime";
import type { Store, WorkHandlers, WorkQueue } from "@muster/store";
import type { Logger, Metrics } from "@muster/telemetry";
import { type AssignDeps, assign } from "./assign.ts";
import { loadCohort } from "./cohort.ts";
import { type ReconcileDeps, reconcile } from "./reconcile.ts";

/** What a worker needs of its process. */
export interface WorkerDeps {
  readonly store: Store;
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** The handlers of a worker. */
export function createHandlers({ store, queue, clock, log, metrics }: WorkerDeps): WorkHandlers {
  const counts = { reconciled: 0, conflicts: 0, assigned: 0 };
  observe(metrics, counts);
  const { agents, desired, rollouts, gateways, partitions } = store;
  const cohortDeps = { page: agents.page, loadViews: agents.load, loadDesired: desired.load };
  const reconcileDeps: ReconcileDeps = {
    loadRollout: rollouts.get,
    loadCohort: (selector) => loadCohort(selector, cohortDeps),
    fleetLostAtMs: rollouts.fleetLostAtMs,
    commit: rollouts.commit,
    requestAssign: queue.requestAssign,
    exclude: rollouts.exclude,
    exclusions: rollouts.exclusions,
    decideAgain: desired.decideAgain,
    partitionOf: store.sessions.partitionOf,
    requestReconcileAt: queue.requestReconcileAt,
    nowMs: clock.nowMs,
    partitions,
    onMoved({ spec, status }, next) {
      if (next.reason === status.reason && next.phase === status.phase && next.message === status.message) return;
      const { phase, reason, message } = next;
      log.info("rollout.moved", { rollout: spec.id, config: spec.configId, phase, reason, message });
    },
  };
  const assignDeps: AssignDeps = {
    ...cohortDeps,
    page: agents.pageOf,
    assignments: desired.assignments,
    assignedVersion: desired.assignedVersion,
    setAssignedVersion: desired.setAssignedVersion,
    unassigned: desired.unassigned,
    settle: desired.settle,
    exclusions: rollouts.exclusions,
    write: desired.assign,
    hint: gateways.hint,
    nowMs: clock.nowMs,
    onAssigned(count) {
      counts.assigned += count;
    },
  };
  return {
    async reconcile(id) {
      const outcome = await reconcile(id, reconcileDeps);
      counts.reconciled += 1;
      if (outcome.kind === "conflict") counts.conflicts += 1;
    },
    assign: (partition) => assign(partition, assignDeps),
    async sweep() {
      const active = await rollouts.active();
      await Promise.all(active.map((id) => queue.requestReconcile(id)));
      await Promise.all(Array.from({ length: partitions }, (_, p) => queue.requestAssign(p)));
    },
  };
}

function observe(
  metrics: Metrics,
  counts: { readonly reconciled: number; readonly conflicts: number; readonly assigned: number },
): void {
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.observe(name, { help, kind: "counter" }, read);
  counter("muster_rollout_reconciles_total", "How many passes over a rollout were made?", () => counts.reconciled);
  counter("muster_rollout_conflicts_total", "How many met a faster worker?", () => counts.conflicts);
  counter("muster_rollout_assigned_agents_total", "How many desired configs were written?", () => counts.assigned);
}
