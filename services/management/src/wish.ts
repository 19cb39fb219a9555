// Which verb makes sense on a rollout, and the spec that records it. Pure. A wish that no worker has seen yet counts
// as if it had: of two operators who act at once, the second is told what the first did.

import { FleetError, isEnded, type Rollout, type RolloutSpec, type RolloutWish } from "@muster/fleet";

/** What operators may ask of a rollout. */
export type Verb = "pause" | "resume" | "abort";

/** Where a rollout stands for those who want to steer it. */
type Stance = "running" | "paused" | "aborting" | "succeeded" | "halted";

/** The verbs that make sense in each stance. */
export const VERBS = {
  running: ["pause", "abort"],
  paused: ["resume", "abort"],
  aborting: [],
  succeeded: [],
  halted: [],
} as const satisfies Record<Stance, readonly Verb[]>;

const WISH = { pause: "pause", resume: "run", abort: "abort" } as const satisfies Record<Verb, RolloutWish>;
const PARTICIPLE = { pause: "paused", resume: "resumed", abort: "aborted" } as const satisfies Record<Verb, string>;

/** The spec with this wish as its next generation. @throws FleetError `failed_precondition` naming the verbs that make sense */
export function wished(rollout: Rollout, verb: Verb, reason: string): RolloutSpec {
  const { spec } = rollout;
  const stance = stanceOf(rollout);
  const verbs: readonly Verb[] = VERBS[stance];
  if (verbs.includes(verb)) return { ...spec, generation: spec.generation + 1, wish: WISH[verb], wishReason: reason };
  const remedy = verbs.length === 0 ? "nothing more can be asked of it." : `${verbs.join(" or ")} it instead.`;
  const message = `Rollout ${spec.id} is ${stance} and cannot be ${PARTICIPLE[verb]}; ${remedy}`;
  const details = { rollout_id: spec.id, phase: stance, verbs: verbs.join(",") };
  throw new FleetError("failed_precondition", message, { reason: "ROLLOUT_PHASE", details });
}

function stanceOf({ spec, status }: Rollout): Stance {
  if (isEnded(status.phase) || spec.generation === status.observedGeneration) return status.phase;
  switch (spec.wish) {
    case "run":
      return "running";
    case "pause":
      return "paused";
    case "abort":
      return "aborting";
  }
}
