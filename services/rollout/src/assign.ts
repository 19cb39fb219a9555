// Decides and writes what the agents of one partition should run, and hints the gateways that hold them. The one place
// where desired configs are written: newcomers, rollouts and rebuilt fleets all come through here, and all get
// the answer of one pure function (fleet's createWanted). Safe to run twice: only differences are written.

import {
  createWanted,
  type DesiredRecord,
  type Exclusion,
  type GatewayId,
  type InstanceUid,
  isSameDesired,
  labelsOf,
  originOf,
  type RolloutId,
} from "@muster/fleet";
import type { Assignments, Hint, Partition, VersionedView, WantedConfig } from "@muster/store";

/** What it needs. */
export interface AssignDeps {
  assignments(): Promise<Assignments>;
  assignedVersion(partition: Partition): Promise<number>;
  setAssignedVersion(partition: Partition, version: number): Promise<void>;
  /** Uids of the partition above `after`, in order. */
  page(partition: Partition, after: string, limit: number): Promise<readonly InstanceUid[]>;
  unassigned(
    partition: Partition,
    limit: number,
  ): Promise<readonly { readonly uid: InstanceUid; readonly version: number }[]>;
  settle(uid: InstanceUid, version: number): Promise<void>;
  /** Agents that a rollout failed and does not count for any more. */
  exclusions(id: RolloutId): Promise<ReadonlyMap<InstanceUid, Exclusion>>;
  loadViews(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  write: WriteDesired;
  hint(to: GatewayId, hint: Hint): Promise<void>;
  onAssigned(count: number): void;
  nowMs(): number;
}

/** As store's DesiredConfigs.assign. */
type WriteDesired = (
  uid: InstanceUid,
  desired: WantedConfig | null,
  version: number,
  nowMs: number,
) => Promise<GatewayId | null | "stale">;

/** Agents decided at a time. */
const CHUNK = 500;

/** One pass over a partition: everybody when the assignments changed, else those that are new or changed. */
export async function assign(partition: Partition, deps: AssignDeps): Promise<void> {
  const assignments = await deps.assignments();
  const of = createWanted(assignments.list);
  if ((await deps.assignedVersion(partition)) < assignments.version) {
    const without = await loadExclusions(assignments, deps);
    await assignAll(partition, assignments.version, { of, without }, deps);
    await deps.setAssignedVersion(partition, assignments.version);
  }
  for (;;) {
    const waiting = await deps.unassigned(partition, CHUNK);
    if (waiting.length === 0) return;
    const uids = waiting.map(({ uid }) => uid);
    // Read after the list: an agent that is on it because of an exclusion must be decided on with it.
    const without = await loadExclusions(assignments, deps);
    const stale = await assignSome(uids, assignments.version, { of, without }, deps);
    const decided = waiting.filter(({ uid }) => !stale.has(uid));
    await Promise.all(decided.map(({ uid, version }) => deps.settle(uid, version)));
    // What stands rests on newer assignments, but maybe on an older view; whoever reads those assignments decides.
    if (stale.size > 0) return;
  }
}

interface Wanted {
  readonly of: ReturnType<typeof createWanted>;
  /** Rollouts that do not count for an agent any more. */
  readonly without: ReadonlyMap<InstanceUid, readonly Exclusion[]>;
}

/** Agents that a rollout failed are few; where there are none, this costs a read per layer. */
async function loadExclusions({ list }: Assignments, { exclusions }: AssignDeps): Promise<Wanted["without"]> {
  const ids = new Set(list.flatMap(({ layers }) => layers.map(({ rolloutId }) => rolloutId)));
  const found = await Promise.all([...ids].map(exclusions));
  const without = new Map<InstanceUid, readonly Exclusion[]>();
  for (const [uid, exclusion] of found.flatMap((each) => [...each])) {
    without.set(uid, [...(without.get(uid) ?? []), exclusion]);
  }
  return without;
}

async function assignAll(partition: Partition, version: number, wanted: Wanted, deps: AssignDeps): Promise<void> {
  let after = "";
  for (;;) {
    const uids = await deps.page(partition, after, CHUNK);
    const last = uids.at(-1);
    if (last === undefined) return;
    await assignSome(uids, version, wanted, deps);
    after = last;
  }
}

/** Decides for some agents. Answers those that were decided on newer assignments already. */
async function assignSome(
  uids: readonly InstanceUid[],
  version: number,
  wanted: Wanted,
  deps: AssignDeps,
): Promise<ReadonlySet<InstanceUid>> {
  const [views, present] = await Promise.all([deps.loadViews(uids), deps.loadDesired(uids)]);
  const presentOf = new Map(uids.map((uid, i) => [uid, present[i] ?? null]));
  const writes = views.flatMap(({ view }) => {
    // Who has not said what it is cannot be told what to run: "everyone but canaries" would match it.
    if (view.description === null) return [];
    const before = presentOf.get(view.uid) ?? null;
    const exclusions = [view.uid, ...view.previousUids].flatMap((uid) => wanted.without.get(uid) ?? []);
    const without = new Set(exclusions.map(({ rolloutId }) => rolloutId));
    const decided = wanted.of(originOf(view), labelsOf(view), without);
    const desired = decided === null || exclusions.length === 0 ? decided : { ...decided, exclusions };
    return isSameDesired(desired, before) ? [] : [{ uid: view.uid, desired }];
  });
  const gateways = await Promise.all(
    writes.map(async ({ uid, desired }) => ({ uid, gateway: await deps.write(uid, desired, version, deps.nowMs()) })),
  );
  deps.onAssigned(writes.length);
  const held = gateways.filter(({ gateway }) => gateway !== null && gateway !== "stale");
  const byGateway = Map.groupBy(held, ({ gateway }) => gateway as GatewayId); // the filter above
  await Promise.all(
    [...byGateway].map(([to, agents]) => deps.hint(to, { kind: "desired", uids: agents.map(({ uid }) => uid) })),
  );
  return new Set(gateways.filter(({ gateway }) => gateway === "stale").map(({ uid }) => uid));
}
