// How a rollout's status becomes part of what agents should run (desired.ts). Pure; the rollout worker stores the
// layers of a config together with the status they follow from, in one write.

import type { Assignment, Layer } from "./desired.ts";
import type { RolloutSpec, RolloutStatus } from "./rollout.ts";

/**
 * The layers of a config after this status of one of its rollouts. A rollout that succeeded replaces everything
 * before it, but for what agents go back to that it failed; any other puts its own layer on top and leaves the older ones
 * to the agents it does not reach.
 */
export function layersAfter(before: Assignment, spec: RolloutSpec, status: RolloutStatus): Assignment {
  const { id, revision, hash, selector, order } = spec;
  const layer: Layer = { rolloutId: id, revision, hash, selector, order, cutoff: status.cutoff };
  const older = before.layers.filter((other) => other.rolloutId !== id);
  if (status.phase === "succeeded") {
    const stable = older.find(({ isStable }) => isStable === true);
    const fallback: readonly Layer[] = stable === undefined ? [] : [{ ...stable, isFallback: true }];
    return { configId: spec.configId, layers: [{ ...layer, isStable: true }, ...fallback] };
  }
  return { configId: spec.configId, layers: [layer, ...older] };
}
