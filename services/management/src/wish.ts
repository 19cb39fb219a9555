// Which verb makes sense on a rollout, and the spec that records it. Pure. A wish that no worker has seen yet counts
// as if it had: of two operators who act at once, the second is told what the first did.

import {
  FleetError,
  isBeforeStart,
  isEnded,
  type Rollout,
  type RolloutPhase,
  type RolloutSpec,
  type RolloutWish,
} from "@muster/fleet";

/** What operators may ask of a rollout. */
export type Verb = "pause" | "resume" | "abort" | "revert" | "retry" | "promote" | "approve";

/** Where a rollout stands for those who want to steer it. */
type Stance = "waiting" | "running" | "paused" | "rolling_back" | "succeeded" | "aborting" | "ended";

/** The verbs that make sense in each stance. */
export const VERBS = {
  waiting: ["approve", "abort"],
  running: ["pause", "abort", "retry", "promote", "approve"],
  paused: ["resume", "abort", "retry", "promote", "approve"],
  rolling_back: ["abort"],
  succeeded: ["revert"],
  aborting: [],
  ended: [],
} as const satisfies Record<Stance, readonly Verb[]>;

const PARTICIPLE = {
  pause: "paused",
  resume: "resumed",
  abort: "aborted",
  revert: "reverted",
  retry: "retried",
  promote: "promoted",
  approve: "approved",
} as const satisfies Record<Verb, string>;

/** Pauses that only somebody's explicit word ends. */
const FAILURE_REASONS: ReadonlySet<string> = new Set(["error_budget", "inconclusive", "gate"]);

/** Who wishes, and what for. */
export interface Wisher {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

/** The verb is allowed now. @throws FleetError `failed_precondition` naming the verbs that are */
export function mustAllow(rollout: Rollout, verb: Verb): void {
  const { spec, status } = rollout;
  const verbs: readonly Verb[] = VERBS[stanceOf(rollout)];
  if (verbs.includes(verb)) return;
  const remedy = verbs.length === 0 ? "nothing more can be asked of it." : `${verbs.join(" or ")} it instead.`;
  const message = `Rollout ${spec.id} is ${wordOf(rollout)} and cannot be ${PARTICIPLE[verb]}; ${remedy}`;
  const details = { rollout_id: spec.id, phase: status.phase, verbs: verbs.join(",") };
  throw new FleetError("failed_precondition", message, { reason: "ROLLOUT_PHASE", details });
}

/** The spec with a wish as its next generation. */
export function wished(
  spec: RolloutSpec,
  wish: RolloutWish,
  { by, reason }: Wisher,
  change: Partial<RolloutSpec> = {},
): RolloutSpec {
  const generation = spec.generation + 1;
  const acceptsFailures = false;
  return {
    ...spec,
    acceptsFailures,
    ...change,
    generation,
    wishGeneration: generation,
    wish,
    wishReason: reason,
    wishedBy: by,
  };
}

/** The spec with something that is no wish as its next generation. */
export function amended(spec: RolloutSpec, change: Partial<RolloutSpec>): RolloutSpec {
  return { ...spec, ...change, generation: spec.generation + 1 };
}

/**
 * A rollout that stopped because of failures goes on only if these are accepted or the budget is new.
 * @throws FleetError `failed_precondition` that says how
 */
export function mustAccept({ spec, status }: Rollout, accepts: boolean): void {
  const hasNews = spec.generation > status.observedGeneration;
  if (accepts || hasNews || !FAILURE_REASONS.has(status.reason)) return;
  const message = `Rollout ${spec.id} paused because of ${status.reason.replaceAll("_", " ")}: ${status.message} To go on all the same, say that you accept that, or give it a new failure budget.`;
  throw new FleetError("failed_precondition", message, {
    reason: "FAILURES_NOT_ACCEPTED",
    details: { rollout_id: spec.id, reason: status.reason },
  });
}

/** An abort means this of a rollout where it stands. */
export function abortWish({ status }: Rollout, rollback: boolean): RolloutWish {
  // Before the start both cancel; a worker may start it before it sees this.
  if (rollback) return "rollback";
  return isBeforeStart(status.phase) ? "cancel" : "abort";
}

function stanceOf({ spec, status }: Rollout): Stance {
  const { phase } = status;
  if (phase === "succeeded") return spec.wish === "revert" ? "rolling_back" : "succeeded";
  if (isEnded(phase)) return "ended";
  const isSeen = spec.wishGeneration <= status.observedGeneration;
  if (!isSeen) return STANCE_OF_WISH[spec.wish] ?? stanceOfPhase(phase);
  return stanceOfPhase(phase);
}

function stanceOfPhase(phase: RolloutPhase): Stance {
  if (isBeforeStart(phase)) return "waiting";
  if (phase === "paused") return "paused";
  return phase === "rolling_back" || phase === "reverting" ? "rolling_back" : "running";
}

const STANCE_OF_WISH: Readonly<Partial<Record<RolloutWish, Stance>>> = {
  pause: "paused",
  abort: "aborting",
  cancel: "aborting",
  deny: "aborting",
  rollback: "rolling_back",
  revert: "rolling_back",
};

function wordOf(rollout: Rollout): string {
  const stance = stanceOf(rollout);
  return stance === "ended" || stance === "waiting"
    ? rollout.status.phase.replaceAll("_", " ")
    : stance.replaceAll("_", " ");
}
