// The first step of a pass: what operators said since the last one. Pure.

import type { InstanceUid } from "./ids.ts";
import { failureKind } from "./judge.ts";
import { because, end, enter, failStage, keptBy, log, type Pass, withStatus } from "./pass.ts";
import type { RolloutSpec } from "./rollout.ts";
import { isBeforeStart, isEnded, isPassing, isTakingBack } from "./rollout-states.ts";

/** Acts on the newest wish, once. */
export function withWish(pass: Pass): Pass {
  const { spec } = pass.input;
  const { observedGeneration } = pass.status;
  // Spec and status are read one after the other: an older spec than the status knows says nothing new.
  if (spec.generation <= observedGeneration) return pass;
  const seen = withStatus(pass, { observedGeneration: spec.generation });
  // Approvals, promotions and retries count as generations too, and are read where they matter.
  if (spec.wishGeneration <= observedGeneration) return seen;
  const { phase } = seen.status;
  // It ended before the wish was heard; what is left to wish for is to have a success taken back.
  if (isEnded(phase) && !(phase === "succeeded" && spec.wish === "revert")) return seen;
  return isBeforeStart(phase) ? wishedBeforeStart(seen, spec) : wishedLater(seen, spec);
}

function wishedBeforeStart(pass: Pass, spec: RolloutSpec): Pass {
  const said = because(`${by(spec)} ended it before it began`, spec.wishReason);
  switch (spec.wish) {
    case "abort":
    case "rollback":
    case "cancel":
      return end(pass, "cancelled", "cancelled", said);
    case "deny":
      if (pass.status.phase !== "awaiting_approval")
        return end(pass, "cancelled", "denied", because(`${by(spec)} denied it`, spec.wishReason));
      return end(pass, "rejected", "denied", because(`${by(spec)} denied it`, spec.wishReason));
    default:
      return pass;
  }
}

function wishedLater(pass: Pass, spec: RolloutSpec): Pass {
  const { phase } = pass.status;
  switch (spec.wish) {
    case "run":
      return phase === "paused" ? resumed(pass, spec) : pass;
    case "pause":
      // One that waits for an operator already keeps saying what for.
      if (isTakingBack(phase) || (phase === "paused" && !isPassing(pass.status.reason))) return pass;
      return enter(pass, "paused", "manual", because(`Paused by ${by(spec)}`, spec.wishReason));
    case "revert":
      if (phase !== "succeeded") return pass;
      return withStatus(enter(pass, "reverting", "reverted", because(`Taken back by ${by(spec)}`, spec.wishReason)), {
        endedAtMs: null,
      });
    case "rollback":
      if (isTakingBack(phase)) return pass;
      return enter(
        failStage(pass),
        "rolling_back",
        "aborted_back",
        because(`Taken back by ${by(spec)}`, spec.wishReason),
      );
    case "abort":
    case "cancel":
    case "deny":
      return end(
        isTakingBack(phase) ? pass : failStage(pass),
        "halted",
        "aborted",
        `${because(`Ended by ${by(spec)}`, spec.wishReason)} (${keptBy(pass)})`,
      );
  }
}

/** Goes on. Failures are accepted only where the operator said so: no act raises a limit silently. */
function resumed(pass: Pass, spec: RolloutSpec): Pass {
  const { status, judged, input } = pass;
  const failed = judged.filter((one) => failureKind(one, spec) !== null).map(({ agent }) => agent.view.uid);
  const storms = new Set(judged.flatMap(({ storm }) => (storm === null ? [] : [storm.name])));
  // Those that are dark in the storm are what it goes on without.
  const dark = judged
    .filter(({ storm, isDispatched }) => storm !== null && isDispatched)
    .map(({ agent }) => agent.view.uid);
  const borne = spec.acceptsFailures ? failed : status.acceptedFailures;
  const accepted: readonly InstanceUid[] = [...new Set([...borne, ...dark])];
  const hasGate = spec.acceptsFailures && status.reason === "gate";
  const gates = hasGate ? [...status.acceptedGates, status.stageIndex] : status.acceptedGates;
  const note = spec.acceptsFailures ? ` with ${failed.length} failed agents accepted` : "";
  const phase = status.passedAtMs === null ? "running" : "baking_final";
  const message = because(`Resumed by ${by(spec)}${note}`, spec.wishReason);
  const going = enter(pass, phase, "resumed", message, { accepted: spec.acceptsFailures ? failed.length : 0 });
  const noted =
    failed.length === 0 || !spec.acceptsFailures
      ? going
      : log(going, {
          kind: "operator",
          reason: "resumed",
          message: `Accepted as a new budget: the failures of ${failed.length} agents.`,
          agents: failed,
        });
  return withBakeAnew(
    withStatus(noted, {
      acceptedFailures: accepted,
      acceptedStorms: [...new Set([...status.acceptedStorms, ...storms])],
      acceptedGates: gates,
      resumedAtMs: input.nowMs,
    }),
  );
}

/** Time that passed in a pause proves nothing: a stage that baked then bakes anew, and its gates are asked anew. */
function withBakeAnew(pass: Pass): Pass {
  const { status, input } = pass;
  const at = status.stages[status.stageIndex];
  if (status.passedAtMs !== null) return withStatus(pass, { passedAtMs: input.nowMs });
  if (at?.state === "baking") {
    return withStatus(pass, { stages: status.stages.with(status.stageIndex, { ...at, convergedAtMs: input.nowMs }) });
  }
  if (at?.state !== "gating") return pass;
  return withStatus(pass, {
    stages: status.stages.with(status.stageIndex, { ...at, gatingAtMs: input.nowMs, gatesPassed: [] }),
  });
}

function by({ wishedBy }: RolloutSpec): string {
  return wishedBy === "" ? "an operator" : wishedBy;
}
