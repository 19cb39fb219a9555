// Brings one rollout one step closer to its spec: load, plan, commit, ask for the assignment, say when to look again.
// Safe to run twice and beside another worker; reads everything afresh, and dying between any two lines is fine.

import {
  type Calendar,
  type CohortAgent,
  type Exclusion,
  type InstanceUid,
  isEnded,
  isOver,
  type Measurement,
  type Peers,
  type Plan,
  type PlanInput,
  plan,
  type Reading,
  type RolloutId,
  type RolloutSpec,
} from "@muster/fleet";
import type { Commit, Partition, StoredRollout } from "@muster/store";
import { unheardFromMs } from "./unheard.ts";

/** What it needs. */
export interface ReconcileDeps {
  loadRollout(id: RolloutId): Promise<StoredRollout | undefined>;
  /** Every agent that the rollout is for now, and how it failed those that it failed. */
  loadCohort(spec: RolloutSpec): Promise<readonly CohortAgent[]>;
  /** How often rollouts took more agents. */
  admissionCount(): Promise<number>;
  loadPeers(rollout: StoredRollout): Promise<Peers>;
  loadCalendars(ids: readonly string[]): Promise<readonly Calendar[]>;
  /** Agents that the rollout had reached and was found to be for no more. */
  loadRemoved(id: RolloutId): Promise<ReadonlyMap<InstanceUid, number>>;
  loadReadings(id: RolloutId): Promise<readonly Reading[]>;
  /** Why the rollout's content is quarantined; null: it is not. */
  quarantineOf(spec: RolloutSpec): Promise<string | null>;
  /** When the fleet state was last lost, milliseconds since 1970; 0: never. */
  fleetLostAtMs(): Promise<number>;
  commit(rollout: StoredRollout, next: Commit, admissionCount: number): Promise<"committed" | "conflict" | "busy">;
  requestAssign(partition: Partition): Promise<void>;
  /** Lets the rollout no longer count for agents that it failed. */
  exclude(id: RolloutId, exclusions: ReadonlyMap<InstanceUid, Exclusion>): Promise<void>;
  forgive(id: RolloutId, uids: readonly InstanceUid[]): Promise<void>;
  /** Has what an agent should run decided anew. */
  decideAgain(uid: InstanceUid): Promise<void>;
  partitionOf(uid: InstanceUid): Partition;
  requestReconcileAt(id: RolloutId, atMs: number): Promise<void>;
  /** A look that was asked for is to be at that time, whatever others plan. */
  putOffReconcile(id: RolloutId, atMs: number): Promise<void>;
  requestMeasure(id: RolloutId): Promise<void>;
  /** Has every other rollout looked at that is at work or waits. */
  requestPeers(id: RolloutId): Promise<void>;
  onMoved(rollout: StoredRollout, next: Plan, input: PlanInput): void;
  nowMs(): number;
  readonly partitions: number;
}

/** How a pass ended. */
export type Outcome =
  | { readonly kind: "gone" }
  /** Somebody else moved it first, or has its config; they, or the next pass, go on. */
  | { readonly kind: "conflict" }
  | { readonly kind: "settled" }
  | { readonly kind: "waiting"; readonly untilMs: number };

/** One that has the config may leave it soon. */
const BUSY_RETRY_MS = 1_000;

/** One pass. */
export async function reconcile(id: RolloutId, deps: ReconcileDeps): Promise<Outcome> {
  const rollout = await deps.loadRollout(id);
  if (rollout === undefined) return { kind: "gone" };
  if (isOver(rollout)) return { kind: "settled" };
  const { status, wave } = rollout;
  // Counted first: whom others take while this one looks, it would not see.
  const admissionCount = await deps.admissionCount();
  const input = await loadInput(rollout, deps);
  const next = plan(input);
  if (next.status !== status || next.wave !== wave || next.decisions.length > 0) {
    const outcome = await deps.commit(rollout, next, admissionCount);
    if (outcome !== "committed") {
      await deps.putOffReconcile(id, deps.nowMs() + (outcome === "busy" ? BUSY_RETRY_MS : 0));
      return { kind: "conflict" };
    }
    deps.onMoved(rollout, next, input);
  }
  const unheard = input.cohort.flatMap(({ view, desired }) => {
    const fromMs = unheardFromMs(view, desired);
    return fromMs === null ? [] : [{ uid: view.uid, fromMs }];
  });
  const overdue = unheard.filter(({ fromMs }) => fromMs <= input.nowMs).map(({ uid }) => uid);
  await carryOut(rollout, next, overdue, deps);
  if (isTurning(rollout, next)) await deps.requestPeers(id);
  if (next.measurement !== null && isDue(next.measurement, deps.nowMs())) await deps.requestMeasure(id);
  if (next.wakeAtMs === null) return { kind: "settled" };
  const times = unheard.map(({ fromMs }) => fromMs).filter((fromMs) => fromMs > input.nowMs);
  const untilMs = times.reduce((soonest, ms) => Math.min(soonest, ms), next.wakeAtMs);
  await deps.requestReconcileAt(id, untilMs);
  return { kind: "waiting", untilMs };
}

/**
 * Whether others may have waited for this: it ended, it waits to take another's place, it begins, so that they admit their
 * agents one by one from now on, or it does so itself.
 */
function isTurning({ status }: StoredRollout, { status: next }: Plan): boolean {
  const hasEnded = isEnded(next.phase) && !isEnded(status.phase);
  const hasBegun = next.startedAtMs !== status.startedAtMs || (next.isPaced && !status.isPaced);
  return hasEnded || hasBegun || (next.reason === "queued" && status.reason !== "queued");
}

/** Whether a measurement is to be taken now. */
export function isDue({ dueAtMs }: Measurement, nowMs: number): boolean {
  return nowMs >= dueAtMs;
}

/** Everything that a plan rests on. */
export async function loadInput(rollout: StoredRollout, deps: ReconcileDeps): Promise<PlanInput> {
  const { spec, status, wave } = rollout;
  // Before the cohort: whom another has assigned and names no more is found there.
  const peers = await deps.loadPeers(rollout);
  const [cohort, removed, calendars, readings, quarantine] = await Promise.all([
    deps.loadCohort(spec),
    deps.loadRemoved(spec.id),
    deps.loadCalendars(spec.timing.calendarIds),
    spec.stages.some(({ gates }) => gates.length > 0) ? deps.loadReadings(spec.id) : [],
    deps.quarantineOf(spec),
  ]);
  // Asked afterwards: a loss while the cohort was read must not go unseen.
  const fleetLostAtMs = await deps.fleetLostAtMs();
  const removedCount =
    removed.size === 0 ? 0 : removed.size - cohort.filter(({ view }) => removed.has(view.uid)).length;
  const rest = { wave, readings, calendars, peers, quarantine, fleetLostAtMs, nowMs: deps.nowMs() };
  return { spec, status, cohort, removedCount, ...rest };
}

/** What was committed is done; what dying in between leaves undone is found again by the next pass. */
async function carryOut(
  rollout: StoredRollout,
  next: Plan,
  unheard: readonly InstanceUid[],
  deps: ReconcileDeps,
): Promise<void> {
  const { id } = rollout.spec;
  const { restores, forgiven, untold } = next;
  // What failed an agent is taken from it at once, whatever else is going on.
  if (restores.length > 0) await deps.exclude(id, new Map(restores.map(({ uid, exclusion }) => [uid, exclusion])));
  if (forgiven.length > 0) await deps.forgive(id, forgiven);
  const again = [...restores.map(({ uid }) => uid), ...forgiven, ...untold, ...unheard];
  await Promise.all(again.map(deps.decideAgain));
  if (hasChangedForAll(rollout, next)) return await assignEverywhere(deps);
  const partitions = new Set([...again, ...next.wave.map(({ uid }) => uid)].map(deps.partitionOf));
  await Promise.all([...partitions].map((partition) => deps.requestAssign(partition)));
}

/** Whether the layers may have changed, or agents of a stage are not assigned yet, perhaps because a pass died here before. */
function hasChangedForAll({ status }: StoredRollout, { status: next }: Plan): boolean {
  const hasMoved = next.phase !== status.phase || next.isPaced !== status.isPaced;
  const hasGrown = next.stages.some(({ cutoff }, i) => cutoff !== status.stages[i]?.cutoff);
  const isLeft =
    !next.isPaced && (next.counts.assigned > 0 || next.phase === "rolling_back" || next.phase === "reverting");
  return hasMoved || hasGrown || isLeft || (isEnded(next.phase) && !status.isSettled);
}

async function assignEverywhere({ partitions, requestAssign }: ReconcileDeps): Promise<void> {
  await Promise.all(Array.from({ length: partitions }, (_, p) => requestAssign(p)));
}
