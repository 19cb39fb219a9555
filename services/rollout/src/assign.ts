// Decides and writes what the agents of one partition should run, and hints the gateways that hold them. The one place
// where desired configs are written: newcomers, rollouts and rebuilt fleets all come through here, and all get
// the answer of one pure function (fleet's createWanted). Safe to run twice: only differences are written.

import {
  type AgentView,
  candidateOf,
  createWanted,
  type DesiredRecord,
  type Exclusion,
  type GatewayId,
  type InstanceUid,
  isConnected,
  isSameDesired,
  type RolloutId,
  type Wanted,
  type WaveEntry,
} from "@muster/fleet";
import type {
  Assignments,
  DesiredConfigs,
  Hint,
  Partition,
  Unassigned,
  VersionedView,
  WantedConfig,
} from "@muster/store";
import { unheardFromMs } from "./unheard.ts";

/** What it needs. */
export interface AssignDeps {
  assignments(): Promise<Assignments>;
  /** Counts the assignments on from a version that was seen. Answers false when theirs is as new already. */
  raise(seenVersion: number): Promise<boolean>;
  assignedVersion(partition: Partition): Promise<number>;
  setAssignedVersion(partition: Partition, version: number): Promise<void>;
  /** Uids of the partition above `after`, in order. */
  page(partition: Partition, after: string, limit: number): Promise<readonly InstanceUid[]>;
  unassigned(partition: Partition, limit: number): Promise<readonly Unassigned[]>;
  settle(decided: readonly Unassigned[]): Promise<void>;
  /** Has one agent decided anew. */
  decideAgain(uid: InstanceUid): Promise<void>;
  /** Agents that a rollout failed and does not count for any more. */
  exclusions(id: RolloutId): Promise<ReadonlyMap<InstanceUid, Exclusion>>;
  /** Agents that rollouts admitted, or while they are taken back, relieve. */
  waves(ids: readonly RolloutId[]): Promise<ReadonlyMap<RolloutId, readonly WaveEntry[]>>;
  loadViews(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Components that an inventory names; null when nobody told it. */
  componentsAt(address: string): Promise<ReadonlySet<string> | null>;
  partitionOf(uid: InstanceUid): Partition;
  write: DesiredConfigs["assign"];
  /** Notes agents that a rollout had reached and is for no more. */
  remove(id: RolloutId, uids: readonly InstanceUid[], atMs: number): Promise<void>;
  /** Has a rollout looked at that has to admit somebody first. */
  requestReconcile(id: RolloutId): Promise<void>;
  hint(to: GatewayId, hint: Hint): Promise<void>;
  /** When the fleet state was last lost, milliseconds since 1970; 0: never. */
  fleetLostAtMs(): Promise<number>;
  onAssigned(count: number): void;
  nowMs(): number;
}

/** Agents decided at a time. */
const CHUNK = 500;
/** Rounds in which others were faster with everybody; the next request or sweep goes on. */
const MAX_IDLE_ROUNDS = 5;
/** Answers to a write that found another. */
const LOST: ReadonlySet<string> = new Set(["stale", "moved"]);

/** One pass over a partition: everybody when the assignments changed, else those that are new, changed or admitted. */
export async function assign(partition: Partition, deps: AssignDeps): Promise<void> {
  const assignments = await loadAssignments(partition, deps);
  const of = createWanted(assignments.list);
  const { version } = assignments;
  if (assignments.assignedVersion < version) {
    await assignAll(partition, version, await loadContext(of, assignments, deps), deps);
    await deps.setAssignedVersion(partition, version);
  } else {
    await assignWaved(partition, version, await loadContext(of, assignments, deps), deps);
  }
  let idleRounds = 0;
  for (;;) {
    const waiting = await deps.unassigned(partition, CHUNK);
    if (waiting.length === 0) return;
    const uids = waiting.map(({ uid }) => uid);
    // Read after the list: an agent that is on it because of an exclusion must be decided on with it.
    const { stale, moved } = await assignSome(uids, version, await loadContext(of, assignments, deps), deps);
    const decided = waiting.filter(({ uid }) => !stale.has(uid) && !moved.has(uid));
    await deps.settle(decided);
    // What stands rests on newer assignments, but maybe on an older view; whoever reads those assignments decides.
    if (stale.size > 0) return;
    idleRounds = decided.length === 0 ? idleRounds + 1 : 0;
    if (idleRounds === MAX_IDLE_ROUNDS) return;
  }
}

/**
 * The assignments, and those that the partition was last decided on. Where these are newer than any that control state
 * knows of, it was restored from a backup: what is decided on it must not count as old.
 */
async function loadAssignments(
  partition: Partition,
  deps: AssignDeps,
): Promise<Assignments & { readonly assignedVersion: number }> {
  const assignments = await deps.assignments();
  const assignedVersion = await deps.assignedVersion(partition);
  const isRestored = assignedVersion > assignments.version && (await deps.raise(assignedVersion));
  return { ...(isRestored ? await deps.assignments() : assignments), assignedVersion };
}

/** What a decision rests on beside the agent itself. */
interface Context {
  readonly of: ReturnType<typeof createWanted>;
  /** Rollouts that do not count for an agent any more. */
  readonly without: ReadonlyMap<InstanceUid, readonly Exclusion[]>;
  /** Rollouts whose waves name an agent, with the number of the try. */
  readonly waved: ReadonlyMap<InstanceUid, ReadonlyMap<RolloutId, number>>;
  readonly fleetLostAtMs: number;
}

/** Agents that a rollout failed or that it admits at one time are few; where there are none, this costs a read per layer. */
async function loadContext(of: Context["of"], { list }: Assignments, deps: AssignDeps): Promise<Context> {
  const ids = [...new Set(list.flatMap(({ layers }) => layers.map(({ rolloutId }) => rolloutId)))];
  const [found, waves, fleetLostAtMs] = await Promise.all([
    Promise.all(ids.map(deps.exclusions)),
    deps.waves(ids),
    deps.fleetLostAtMs(),
  ]);
  const without = new Map<InstanceUid, readonly Exclusion[]>();
  for (const [uid, exclusion] of found.flatMap((each) => [...each])) {
    without.set(uid, [...(without.get(uid) ?? []), exclusion]);
  }
  const waved = new Map<InstanceUid, Map<RolloutId, number>>();
  for (const [id, entries] of waves) {
    for (const { uid, tries } of entries) waved.set(uid, (waved.get(uid) ?? new Map()).set(id, tries));
  }
  return { of, without, waved, fleetLostAtMs };
}

async function assignAll(partition: Partition, version: number, context: Context, deps: AssignDeps): Promise<void> {
  let after = "";
  for (;;) {
    const uids = await deps.page(partition, after, CHUNK);
    const last = uids.at(-1);
    if (last === undefined) return;
    await assignAndRepeat(uids, version, context, deps);
    after = last;
  }
}

async function assignWaved(partition: Partition, version: number, context: Context, deps: AssignDeps): Promise<void> {
  const own = [...context.waved.keys()].filter((uid) => deps.partitionOf(uid) === partition);
  for (let from = 0; from < own.length; from += CHUNK)
    await assignAndRepeat(own.slice(from, from + CHUNK), version, context, deps);
}

/** Those that another worker decided on meanwhile are decided once more, on what that worker knew. */
async function assignAndRepeat(...[uids, version, context, deps]: Parameters<typeof assignSome>): Promise<void> {
  const { moved } = await assignSome(uids, version, context, deps);
  await Promise.all([...moved].map(deps.decideAgain));
}

/** Decides for some agents. Answers those that others were faster with. */
async function assignSome(
  uids: readonly InstanceUid[],
  version: number,
  context: Context,
  deps: AssignDeps,
): Promise<Record<"stale" | "moved", ReadonlySet<InstanceUid>>> {
  const [views, present] = await Promise.all([deps.loadViews(uids), deps.loadDesired(uids)]);
  const presentOf = new Map(uids.map((uid, i) => [uid, present[i] ?? null]));
  const decided = await Promise.all(
    views.map(({ view }) => decide(view, presentOf.get(view.uid) ?? null, context, deps)),
  );
  const writes = decided.flatMap(({ write }) => (write === null ? [] : [write]));
  const decisions = writes.map((each) => ({ ...each, present: presentOf.get(each.uid) ?? null }));
  await tellRollouts(views, decided, deps);
  const outcomes = await deps.write(decisions, version, deps.nowMs());
  const gateways = writes.map(({ uid }, i) => ({ uid, gateway: outcomes[i] ?? null }));
  deps.onAssigned(writes.length);
  const unheard = views.flatMap(({ view }, i) => (decided[i]?.write === null ? unheardAt(view, presentOf, deps) : []));
  const held = [...gateways.filter(({ gateway }) => gateway !== null && !LOST.has(gateway)), ...unheard];
  const byGateway = Map.groupBy(held, ({ gateway }) => gateway as GatewayId); // the filter above
  await Promise.all(
    [...byGateway].map(([to, agents]) => deps.hint(to, { kind: "desired", uids: agents.map(({ uid }) => uid) })),
  );
  const lostAs = (how: string) => new Set(gateways.filter(({ gateway }) => gateway === how).map(({ uid }) => uid));
  return { stale: lostAs("stale"), moved: lostAs("moved") };
}

/** Tells rollouts of agents that have to be admitted first, and of those that are none of theirs any more. */
async function tellRollouts(
  views: readonly VersionedView[],
  decided: readonly Decided[],
  { remove, requestReconcile, nowMs }: AssignDeps,
): Promise<void> {
  const awaited = views.flatMap(({ view }, i) => (isConnected(view) ? (decided[i]?.awaited ?? []) : []));
  const left = views.flatMap(({ view: { uid } }, i) => (decided[i]?.left ?? []).map((id) => ({ id, uid })));
  const leftById = Map.groupBy(left, ({ id }) => id);
  for (const [id, some] of leftById) {
    await remove(
      id,
      some.map(({ uid }) => uid),
      nowMs(),
    );
  }
  await Promise.all([...new Set([...awaited, ...leftById.keys()])].map(requestReconcile));
}

/** An agent whose decision stands, and whose gateway was perhaps never hinted at it. */
function unheardAt(
  view: AgentView,
  presentOf: ReadonlyMap<InstanceUid, DesiredRecord | null>,
  { nowMs }: AssignDeps,
): readonly { readonly uid: InstanceUid; readonly gateway: GatewayId | null }[] {
  const fromMs = unheardFromMs(view, presentOf.get(view.uid) ?? null);
  if (fromMs === null || fromMs > nowMs()) return [];
  return [{ uid: view.uid, gateway: view.connection?.value.gateway ?? null }].filter(({ gateway }) => gateway !== null);
}

/** What became of one agent. */
interface Decided {
  /** null when nothing changes. */
  readonly write: { readonly uid: InstanceUid; readonly desired: WantedConfig | null } | null;
  /** Rollouts that have to admit it first. */
  readonly awaited: readonly RolloutId[];
  /** Rollouts that it is none of any more. */
  readonly left: readonly RolloutId[];
}

/** What is to be written for one agent. */
async function decide(
  view: VersionedView["view"],
  present: DesiredRecord | null,
  { of, without, waved, fleetLostAtMs }: Context,
  deps: AssignDeps,
): Promise<Decided> {
  // Who has not said what it is cannot be told what to run: "everyone but canaries" would match it.
  if (view.description === null) return { write: null, awaited: [], left: [] };
  const excluded = [view.uid, ...view.previousUids].flatMap((uid) => without.get(uid) ?? []);
  const waves: ReadonlyMap<RolloutId, number> = waved.get(view.uid) ?? new Map();
  const address = view.components?.value.address;
  const components = typeof address === "string" ? await deps.componentsAt(address) : null;
  const context = { present, excluded, waved: new Set(waves.keys()), components, fleetLostAtMs };
  const wanted = of(candidateOf(view, context));
  const desired = recordOf(wanted, present, excluded, waves);
  const write = isSameDesired(desired, present) ? null : { uid: view.uid, desired };
  return { write, awaited: wanted.awaited, left: wanted.left };
}

/** A decision as it is stored, with why it is not another. */
function recordOf(
  { desired, returned }: Wanted,
  present: DesiredRecord | null,
  exclusions: readonly Exclusion[],
  waves: ReadonlyMap<RolloutId, number>,
): WantedConfig | null {
  if (desired === null) return null;
  const before = present?.hash === desired.hash ? (present.tries ?? 1) : 1;
  const tries = desired.contributions.reduce(
    (most, { rolloutId }) => Math.max(most, waves.get(rolloutId) ?? 1),
    before,
  );
  return {
    ...desired,
    ...(tries > 1 && { tries }),
    ...(exclusions.length > 0 && { exclusions }),
    ...(returned.length > 0 && { returned }),
  };
}
