// The rollouts around one: who has its config, who waits for it too, and who is at work on others. Few, so read afresh
// on every pass.

import { isEnded, type Peers, type RolloutId, type RolloutPhase, type RolloutSpec } from "@muster/fleet";
import type { DesiredConfigs, Rollouts, StoredRollout } from "@muster/store";

/** Where they are read. */
export interface PeersStore {
  readonly rollouts: Pick<Rollouts, "active" | "get" | "holder">;
  readonly desired: Pick<DesiredConfigs, "isAssigned" | "assignments">;
}

/**
 * Reads the rollouts around one. Where no other takes agents at will, and all partitions were decided on that, a cohort that is
 * read afterwards shows whom they have on their way.
 */
export async function loadPeers({ spec, status }: StoredRollout, { rollouts, desired }: PeersStore): Promise<Peers> {
  const [ids, holder] = await Promise.all([rollouts.active(), rollouts.holder(spec.configId)]);
  const found = await Promise.all(ids.filter((id) => id !== spec.id).map(rollouts.get));
  const others = found.filter((each) => each !== undefined).filter(({ status }) => !isEnded(status.phase));
  const elsewhere = others.filter((each) => each.spec.configId !== spec.configId && isAtWork(each));
  const ofConfig = others.filter((each) => each.spec.configId === spec.configId);
  const waiting = ofConfig.filter(({ status }) => status.phase === "scheduled" && status.reason === "queued");
  const successor = waiting.find((each) => each.spec.onConflict === "supersede" && each.spec.id > spec.id);
  return {
    others: new Set(elsewhere.map((each) => each.spec.id)),
    waved: new Set(elsewhere.flatMap(({ wave }) => wave.map(({ uid }) => uid))),
    isUnsettled: elsewhere.length > 0 && (elsewhere.some(isOpen) || !(await desired.isAssigned())),
    holder,
    isReplaced: status.phase === "succeeded" && (await stableOf(spec, desired)) !== spec.id,
    isBehind: waiting.some((each) => goesBefore(each.spec, spec)),
    supersededBy: successor?.spec.id ?? null,
    phases: await phasesOf(spec, rollouts),
  };
}

/** The rollout that brought what is stable now; null where nothing is. */
async function stableOf({ configId }: RolloutSpec, { assignments }: PeersStore["desired"]): Promise<RolloutId | null> {
  const { list } = await assignments();
  const own = list.find((each) => each.configId === configId);
  return own?.layers.find(({ mode }) => mode === "stable")?.rolloutId ?? null;
}

function isAtWork({ status }: StoredRollout): boolean {
  return status.startedAtMs !== null;
}

function isOpen({ status: { phase, isPaced } }: StoredRollout): boolean {
  return !isPaced && (phase === "running" || phase === "baking_final");
}

/** The heavier first, and of the same weight the older. */
function goesBefore(a: RolloutSpec, b: RolloutSpec): boolean {
  return a.weight === b.weight ? a.id < b.id : a.weight > b.weight;
}

async function phasesOf(
  { stages }: RolloutSpec,
  { get }: Pick<Rollouts, "get">,
): Promise<ReadonlyMap<RolloutId, RolloutPhase>> {
  const ids = stages.flatMap(({ gates }) =>
    gates.flatMap((gate) => (gate.kind === "dependency" ? [gate.rolloutId] : [])),
  );
  const found = await Promise.all(ids.map(get));
  return new Map(found.flatMap((each) => (each === undefined ? [] : [[each.spec.id, each.status.phase] as const])));
}
