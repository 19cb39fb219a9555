// How a rollout's status becomes part of what agents should run (desired.ts). Pure; the rollout worker stores the
// layers of a config together with the status they follow from, in one write.

import type { Assignment, Layer, LayerMode } from "./desired.ts";
import { catchUpOf } from "./pace.ts";
import type { RolloutSpec, RolloutStatus } from "./rollout.ts";

/** Layers that a config keeps beside what is stable; the oldest go first. */
const MAX_LAYERS = 20;

/**
 * The layers of a config after this status of one of its rollouts. A rollout that begins puts its layer on top and leaves
 * the older ones to the agents it does not reach; one that succeeded replaces everything below it, but for what agents go
 * back to that it failed. What began later stays above: a rollout that ended is committed again for as long as agents
 * are on their way, and must not undo the next.
 */
export function layersAfter(before: Assignment, spec: RolloutSpec, status: RolloutStatus): Assignment {
  const { configId } = spec;
  const mode = modeOf(status);
  // One that ended before it began never counted.
  if (mode === null || status.startedAtMs === null) return before;
  const layer = layerOf(spec, status, mode);
  const { above, below } = around(before.layers, spec, status.startedAtMs);
  // A newer one succeeded meanwhile: this counts no more than that one lets it.
  if (above.some((other) => other.mode === "stable")) return before;
  const stable = below.find((other) => other.mode === "stable");
  if (mode === "stable") {
    const fallback: readonly Layer[] =
      stable === undefined ? below.filter((other) => other.mode === "fallback") : [{ ...stable, mode: "fallback" }];
    return { configId, layers: [...above, layer, ...fallback] };
  }
  // Taken back after its success: what was stable before it is stable again.
  const isReverted = status.phase === "reverting" || status.phase === "reverted";
  const others = isReverted
    ? below.map((other) => (other.mode === "fallback" ? { ...other, mode: "stable" as const } : other))
    : below;
  const isKept = ({ mode: each }: Layer): boolean => each === "stable" || each === "fallback";
  const passing = new Set(others.filter((other) => !isKept(other)).slice(0, MAX_LAYERS - 1));
  return { configId, layers: [...above, layer, ...others.filter((other) => isKept(other) || passing.has(other))] };
}

/** The layers above a rollout's own and those below it. One without a layer goes below what began later. */
function around(layers: readonly Layer[], { id }: RolloutSpec, startedAtMs: number) {
  const own = layers.findIndex((other) => other.rolloutId === id);
  if (own >= 0) return { above: layers.slice(0, own), below: layers.slice(own + 1) };
  const first = layers.findIndex(({ sinceMs = 0 }) => sinceMs <= startedAtMs);
  const at = first < 0 ? layers.length : first;
  return { above: layers.slice(0, at), below: layers.slice(at) };
}

function modeOf({ phase, isPaced }: RolloutStatus): LayerMode | null {
  switch (phase) {
    case "running":
    case "baking_final":
      return isPaced ? "paced" : "open";
    case "paused":
      return "paced";
    case "succeeded":
      return "stable";
    case "halted":
    case "superseded":
      return "frozen";
    case "rolling_back":
    case "reverting":
      return isPaced ? "withdrawing" : "withdrawn";
    case "rolled_back":
    case "rollback_incomplete":
    case "reverted":
      return "withdrawn";
    default:
      return null;
  }
}

/** Once everybody had the revision nobody is caught up any more: who comes then is new. */
function latecomersOf(spec: RolloutSpec, { hasSettled }: RolloutStatus): Pick<Layer, "latecomers"> {
  const how = catchUpOf(spec);
  return how === "none" || (how === "paced" && !hasSettled) ? { latecomers: how } : {};
}

function layerOf(spec: RolloutSpec, status: RolloutStatus, mode: LayerMode): Layer {
  const { id, revision, hash, selector, order, seed, components, variables, policies } = spec;
  const reach = spec.stages.flatMap(({ size, order: by }, i) => {
    const cutoff = status.stages[i]?.cutoff ?? "";
    return cutoff === "" ? [] : [{ selector: size.kind === "selector" ? size.selector : "", order: by, cutoff }];
  });
  const isUnderWay = mode === "open" || mode === "paced";
  const sinceMs = status.startedAtMs ?? spec.createdAtMs;
  return {
    rolloutId: id,
    revision,
    hash,
    selector,
    order,
    mode,
    seed,
    sinceMs,
    reach: mode === "stable" ? [] : reach,
    components,
    ...(variables !== undefined && { variables }),
    ...(!spec.retry.requeueFailedHash && { sparesFailedBeforeMs: spec.createdAtMs }),
    ...(isUnderWay && policies.newAgents !== "by_rank" && { newAgents: { policy: policies.newAgents, sinceMs } }),
    ...(mode === "stable" && latecomersOf(spec, status)),
  };
}
