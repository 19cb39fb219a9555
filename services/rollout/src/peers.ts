// The rollouts around one, read for fleet's peersOf: who has its config, who waits for it too, and who is at work on others.
// Few, so read afresh on every pass.

import { type Peers, peersOf, type RolloutId, type RolloutPhase, type RolloutSpec } from "@muster/fleet";
import type { DesiredConfigs, Rollouts, StoredRollout } from "@muster/store";

/** Where they are read. */
export interface PeersStore {
  readonly rollouts: Pick<Rollouts, "active" | "get" | "holder">;
  readonly desired: Pick<DesiredConfigs, "isAssigned" | "assignments">;
}

/** Reads the rollouts around one. */
export async function loadPeers(rollout: StoredRollout, { rollouts, desired }: PeersStore): Promise<Peers> {
  const { spec, status } = rollout;
  const [ids, holder] = await Promise.all([rollouts.active(), rollouts.holder(spec.configId)]);
  const found = await Promise.all(ids.filter((id) => id !== spec.id).map(rollouts.get));
  const others = found.filter((each) => each !== undefined);
  // Asked afterwards, and only where there is anybody whom it says something of.
  const isAssigned = others.every((each) => each.spec.configId === spec.configId) || (await desired.isAssigned());
  const stable = status.phase === "succeeded" ? await stableOf(spec, desired) : null;
  return peersOf(rollout, { others, stable, isAssigned, holder, phases: await phasesOf(spec, rollouts) });
}

/** The rollout that brought what is stable now; null where nothing is. */
async function stableOf({ configId }: RolloutSpec, { assignments }: PeersStore["desired"]): Promise<RolloutId | null> {
  const { list } = await assignments();
  const own = list.find((each) => each.configId === configId);
  return own?.layers.find(({ mode }) => mode === "stable")?.rolloutId ?? null;
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
