// Folds batches of events into agent views, and says who should look: rollouts whose agents changed, and the worker
// that decides desired configs when an agent is new or describes itself anew. Safe to run twice on any batch.

import {
  type AgentEvent,
  type AgentView,
  type DesiredRecord,
  type InstanceUid,
  isInTrouble,
  originOf,
  type RolloutId,
} from "@muster/fleet";
import type { EventBatch, Partition } from "@muster/store";

/** What it needs. */
export interface ProjectDeps {
  /** Folds events into one agent's view, and saves it; `after` has the uid that the agent goes on under. */
  project(
    uid: InstanceUid,
    events: readonly AgentEvent[],
  ): Promise<{ readonly before: AgentView; readonly after: AgentView }>;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  activeRollouts(): Promise<ReadonlySet<RolloutId>>;
  partitionOf(uid: InstanceUid): Partition;
  requestReconcile(id: RolloutId): Promise<void>;
  requestAssign(partition: Partition): Promise<void>;
  nowMs(): number;
  onProjected(agents: number, changed: number): void;
  /** Told of requests for work that failed; the sweep makes up for them. */
  onError(error: unknown): void;
}

/** Agents whose views are folded at a time. What is in hand of more outlives the young generation. */
const CONCURRENCY = 128;

/** What of a view counts after it was saved: views themselves, a whole batch of them, would outlive the young generation. */
interface Changed {
  readonly uid: InstanceUid;
  readonly isTroubled: boolean;
}

/** Projects some batches. Rejects when the store is away; the batches then come again. */
export async function project(batches: readonly EventBatch[], deps: ProjectDeps): Promise<void> {
  const byAgent = Map.groupBy(
    batches.flatMap((batch) => batch.events),
    (event) => event.uid,
  );
  const described = new Set<Partition>();
  const changed: Changed[] = [];
  const agents = [...byAgent];
  let changedCount = 0;
  for (let from = 0; from < agents.length; from += CONCURRENCY) {
    const some = agents.slice(from, from + CONCURRENCY);
    const folded = await Promise.all(some.map(([uid, events]) => deps.project(uid, events)));
    for (const [i, { before, after }] of folded.entries()) {
      if (after === before) continue;
      changedCount += 1;
      // What an agent takes decides nothing of a rollout, and a large fleet tells it all the time.
      if (some[i]?.[1].every(({ kind }) => kind === "agent.usage-measured") === true) continue;
      changed.push({ uid: after.uid, isTroubled: isInTrouble(after, deps.nowMs()) });
      if (mustDecide(before, after)) described.add(deps.partitionOf(after.uid));
    }
  }
  deps.onProjected(agents.length, changedCount);
  // A request that fails must not bring the batch back: what it asks for is found by the next sweep anyway.
  await requestWork(changed, described, deps).catch(deps.onError);
}

/** Whether another config may be for the agent: it describes itself anew, is labelled otherwise, or goes on as an agent that ranks elsewhere. */
function mustDecide(before: AgentView, after: AgentView): boolean {
  const isRelabelled = after.description !== before.description || after.metadata !== before.metadata;
  return isRelabelled || originOf(after) !== originOf(before);
}

async function requestWork(
  changed: readonly Changed[],
  described: ReadonlySet<Partition>,
  deps: ProjectDeps,
): Promise<void> {
  await Promise.all([...described].map((partition) => deps.requestAssign(partition)));
  const active = await deps.activeRollouts();
  // Of rollouts that nobody looks after any more, only those that may fail somebody are looked at again.
  const looked = active.size === 0 ? changed.filter(({ isTroubled }) => isTroubled) : changed;
  if (looked.length === 0) return;
  const desired = await deps.loadDesired(looked.map(({ uid }) => uid));
  const concerned = looked.flatMap(({ isTroubled }, i) =>
    rolloutsOf(desired[i] ?? null).filter((id) => active.has(id) || isTroubled),
  );
  await Promise.all([...new Set(concerned)].map((id) => deps.requestReconcile(id)));
}

/** Those that brought an agent what it should run, and those that failed it or were taken back and wait for it to be well again. */
function rolloutsOf(record: DesiredRecord | null): readonly RolloutId[] {
  if (record === null) return [];
  const brought = [...record.contributions, ...(record.exclusions ?? [])].map(({ rolloutId }) => rolloutId);
  return [...brought, ...(record.returned ?? [])];
}
