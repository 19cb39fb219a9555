// Brings one rollout one step closer to its spec: load, plan, commit, ask for the assignment, say when to look again.
// Safe to run twice and beside another worker; reads everything afresh, and dying between any two lines is fine.

import {
  type CohortAgent,
  type Exclusion,
  type InstanceUid,
  isEnded,
  plan,
  type Restore,
  type RolloutId,
  type RolloutStatus,
} from "@muster/fleet";
import type { Partition, StoredRollout } from "@muster/store";

/** What it needs. */
export interface ReconcileDeps {
  loadRollout(id: RolloutId): Promise<StoredRollout | undefined>;
  /** Every agent that the selector matches now. */
  loadCohort(selector: string): Promise<readonly CohortAgent[]>;
  /** When the fleet state was last lost, milliseconds since 1970; 0: never. */
  fleetLostAtMs(): Promise<number>;
  commit(rollout: StoredRollout, next: RolloutStatus): Promise<boolean>;
  requestAssign(partition: Partition): Promise<void>;
  /** Lets the rollout no longer count for an agent that it failed. */
  exclude(uid: InstanceUid, exclusion: Exclusion): Promise<void>;
  /** Those that it failed before. */
  exclusions(id: RolloutId): Promise<ReadonlyMap<InstanceUid, Exclusion>>;
  /** Has what an agent should run decided anew. */
  decideAgain(uid: InstanceUid): Promise<void>;
  partitionOf(uid: InstanceUid): Partition;
  requestReconcileAt(id: RolloutId, atMs: number): Promise<void>;
  onMoved(rollout: StoredRollout, next: RolloutStatus): void;
  nowMs(): number;
  readonly partitions: number;
}

/** How a pass ended. */
export type Outcome =
  | { readonly kind: "gone" }
  /** Somebody else moved it first; they, or the next pass, go on. */
  | { readonly kind: "conflict" }
  | { readonly kind: "settled" }
  | { readonly kind: "waiting"; readonly untilMs: number };

/** One pass. */
export async function reconcile(id: RolloutId, deps: ReconcileDeps): Promise<Outcome> {
  const rollout = await deps.loadRollout(id);
  if (rollout === undefined) return { kind: "gone" };
  const { spec, status } = rollout;
  if (isEnded(status.phase)) return { kind: "settled" };
  const [matching, exclusions] = await Promise.all([deps.loadCohort(spec.selector), deps.exclusions(id)]);
  const cohort = exclusions.size === 0 ? matching : matching.map((agent) => withExclusion(agent, exclusions));
  // Asked afterwards: a loss while the cohort was read must not go unseen.
  const fleetLostAtMs = await deps.fleetLostAtMs();
  const next = plan({ spec, status, cohort, fleetLostAtMs, nowMs: deps.nowMs() });
  if (next.status !== status) {
    if (!(await deps.commit(rollout, next.status))) {
      await deps.requestReconcileAt(id, deps.nowMs());
      return { kind: "conflict" };
    }
    deps.onMoved(rollout, next.status);
  }
  await restore(next.restores, deps);
  // Agents of a stage that are not assigned yet may be so because a pass died here before.
  const hasMoved = next.status.cutoff !== status.cutoff || isEnded(next.status.phase);
  if (hasMoved || next.status.counts.assigned > 0) await assignEverywhere(deps);
  if (next.wakeAtMs === null) return { kind: "settled" };
  await deps.requestReconcileAt(id, next.wakeAtMs);
  return { kind: "waiting", untilMs: next.wakeAtMs };
}

/** An agent that goes on under another uid is still the one that it was. */
function withExclusion(agent: CohortAgent, exclusions: ReadonlyMap<InstanceUid, Exclusion>): CohortAgent {
  const { uid, previousUids } = agent.view;
  const known = [uid, ...previousUids].find((each) => exclusions.has(each));
  return known === undefined ? agent : { ...agent, exclusion: exclusions.get(known) };
}

/** What failed an agent is taken from it at once; dying in between is healed by the next pass, which finds it again. */
async function restore(restores: readonly Restore[], deps: ReconcileDeps): Promise<void> {
  if (restores.length === 0) return;
  await Promise.all(
    restores.map(async ({ uid, exclusion }) => {
      await deps.exclude(uid, exclusion);
      await deps.decideAgain(uid);
    }),
  );
  const partitions = new Set(restores.map(({ uid }) => deps.partitionOf(uid)));
  await Promise.all([...partitions].map((partition) => deps.requestAssign(partition)));
}

async function assignEverywhere({ partitions, requestAssign }: ReconcileDeps): Promise<void> {
  await Promise.all(Array.from({ length: partitions }, (_, p) => requestAssign(p)));
}
