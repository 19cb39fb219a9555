// Takes the measurement that a rollout's gate needs next, if one is due, and keeps it. Which one that is, the plan says;
// a measurement that two workers take at once is kept once.

import {
  type InstanceUid,
  isConnected,
  type PlanInput,
  plan,
  type Reading,
  type RolloutId,
  rankOf,
} from "@muster/fleet";
import type { StoredRollout } from "@muster/store";
import type { MeasureRequest } from "./measure.ts";

/** What it needs. */
export interface MeasureDueDeps {
  loadRollout(id: RolloutId): Promise<StoredRollout | undefined>;
  loadInput(rollout: StoredRollout): Promise<PlanInput>;
  measure(request: MeasureRequest, signal: AbortSignal): Promise<Reading>;
  record(id: RolloutId, reading: Reading): Promise<void>;
  requestReconcile(id: RolloutId): Promise<void>;
  readonly signal: AbortSignal;
}

/** One measurement, or none. */
export async function measureDue(id: RolloutId, deps: MeasureDueDeps): Promise<void> {
  const rollout = await deps.loadRollout(id);
  if (rollout === undefined) return;
  const input = await deps.loadInput(rollout);
  const { measurement } = plan(input);
  if (measurement === null || measurement.dueAtMs > input.nowMs) return;
  const { stage, gate: gateIndex, n } = measurement;
  const gate = rollout.spec.stages[stage]?.gates[gateIndex];
  if (gate === undefined || (gate.kind !== "metric" && gate.kind !== "webhook")) return;
  const { configId, revision } = rollout.spec;
  const stageName = rollout.spec.stages[stage]?.name ?? "";
  const counts = rollout.status.counts;
  const request = { rolloutId: id, configId, revision, stage, stageName, gate, gateIndex, n, counts, ...sides(input) };
  const reading = await deps.measure(request, deps.signal);
  // A worker that is ending cut it short: that says nothing about the gate.
  if (deps.signal.aborted) return;
  await deps.record(id, reading);
  await deps.requestReconcile(id);
}

/** Agents that have the revision, and those that are there and have another; each in the order of their ranks. */
function sides({ cohort, spec }: PlanInput): {
  readonly canary: readonly InstanceUid[];
  readonly control: readonly InstanceUid[];
} {
  const there = cohort
    .filter(({ view }) => isConnected(view))
    .map(({ view, desired }) => ({
      uid: view.uid,
      rank: rankOf(spec.seed, view.uid),
      isCanary: desired?.contributions.some(({ rolloutId }) => rolloutId === spec.id) ?? false,
    }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const side = (isCanary: boolean) => there.filter((each) => each.isCanary === isCanary).map(({ uid }) => uid);
  return { canary: side(true), control: side(false) };
}
