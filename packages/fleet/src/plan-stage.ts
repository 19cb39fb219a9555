// The stage at work moves on: it is dispatched, converges, bakes, asks its gates, waits for people, passes. Pure. What
// keeps a rollout from assigning (a window, a freeze) does not keep it from judging those that were assigned.
//
// Invariants
//   P1. A stage starts only when the one before it passed, and passes only on verified agents: never on "none pending".
//   P2. Cutoffs only grow, and only while agents may be assigned.
//   P3. A fleet that has just lost its state is never mistaken for an empty one: nothing moves until it is told again.

import { type Progress, progressOf } from "./judge.ts";
import { agentsText, end, enter, enterStage, type Inputs, log, type Pass, withJudged, withStatus } from "./pass.ts";
import { assessStageGates } from "./plan-gate.ts";
import { type Hold, isRebuilding } from "./plan-start.ts";
import { budgetVerdict, withDoubt } from "./plan-watch.ts";
import { targetOf } from "./reach.ts";
import type { Stage, StageStatus } from "./rollout.ts";
import type { RolloutReason } from "./rollout-states.ts";

/** Moves the stage at work as far as it goes now; `hold` keeps it from assigning. */
export function withProgress(pass: Pass, hold: Hold | null): Pass {
  const { input, status } = pass;
  if (isRebuilding(input.fleetLostAtMs, input.nowMs)) {
    return say(pass, "rebuilding", "The fleet state was lost; waiting for the agents to tell it again.");
  }
  const stage = input.spec.stages[status.stageIndex];
  const at = status.stages[status.stageIndex];
  if (stage === undefined || at === undefined) return finalBake(pass);
  switch (at.state) {
    case "pending":
      return hold === null ? startStage(pass, stage, hold) : held(pass, hold);
    case "dispatching":
    case "converging":
      return converge(pass, stage, at, hold);
    case "baking":
      return bake(pass, stage, at, hold);
    case "gating":
      return gate(pass, stage, at, hold);
    case "awaiting_promotion":
      return awaitPromotion(pass, stage, hold);
    case "passed":
    case "skipped":
      return withProgress(withStatus(pass, { stageIndex: status.stageIndex + 1 }), hold);
    case "failed":
      return pass;
  }
}

/** A word on a rollout that stays in the phase it is in. */
function say(pass: Pass, reason: RolloutReason, message: string, inputs: Inputs = {}): Pass {
  return enter(pass, pass.status.phase, reason, message, inputs);
}

/** What a verdict on a stage rests on. */
function figuresOf({ goodCount, capableCount, failedCount, acceptedCount }: Progress): Inputs {
  return { good: goodCount, reached: capableCount, failed: failedCount, accepted: acceptedCount };
}

/** Reasons that are over once the stage moves again. */
const OVERCOME: ReadonlySet<RolloutReason> = new Set([
  "waiting_for_agents",
  "held_back",
  "rebuilding",
  "stage_reopened",
]);

/** What the rollout is at now, where it still says what it waited for; no decision, so not logged. */
function goOn(pass: Pass, reason: RolloutReason, message: string): Pass {
  return OVERCOME.has(pass.status.reason) ? withStatus(pass, { reason, message }) : pass;
}

function held(pass: Pass, { reason, message, untilMs }: Hold): Pass {
  return enter(pass, "paused", reason, message, { untilMs });
}

function stageName({ status, input }: Pass): string {
  const name = input.spec.stages[status.stageIndex]?.name ?? "";
  const number = `Stage ${status.stageIndex + 1} of ${input.spec.stages.length}`;
  return name === "" || name === String(status.stageIndex + 1) ? number : `${number} (${name})`;
}

function progress({ judged, input, status }: Pass): Progress {
  return progressOf(judged, input.spec, new Set(status.acceptedFailures));
}

function startStage(pass: Pass, stage: Stage, hold: Hold | null): Pass {
  const { judged, input, status } = pass;
  const hasReachedSome = status.stages.some(({ size }) => size > 0);
  if (hasReachedSome && judged.length === 0) {
    // A fleet that was there a stage ago has not shrunk to nothing; it is away (P3).
    return say(pass, "waiting_for_agents", "Every agent of the rollout is gone; it waits for them.");
  }
  const { cutoff, size, newCount } = targetOf(judged, input.spec, status.stageIndex);
  const change = { size, cutoff, startedAtMs: input.nowMs };
  if (newCount === 0) {
    const message = `${stageName(pass)} was skipped: it reaches no further agent.`;
    const skipped = enterStage(log(pass, { kind: "stage", reason: "stage_skipped", message }), {
      ...change,
      state: "skipped",
    });
    return withProgress(withJudged(skipped), hold);
  }
  const begun = enterStage(pass, { ...change, state: "dispatching" });
  const message = `${stageName(pass)} began: ${agentsText(size)}${size === newCount ? "" : `, ${newCount} of them new`}.`;
  const inputs = { size, newCount, targeted: judged.length, stage: stage.name };
  return withProgress(
    withJudged(log(say(begun, "stage_started", message), { kind: "stage", reason: "stage_started", message, inputs })),
    hold,
  );
}

function converge(pass: Pass, stage: Stage, at: StageStatus, hold: Hold | null): Pass {
  const reached = progress(pass);
  if (reached.openCount > 0) {
    const dispatching = at.state === "dispatching" ? pass : enterStage(pass, { state: "dispatching" });
    if (hold !== null) return held(dispatching, hold);
    return goOn(dispatching, "stage_started", `The agents of ${stageName(pass)} are being assigned.`);
  }
  const converging = at.state === "converging" ? pass : enterStage(pass, { state: "converging" });
  if (!reached.isSettled) {
    return goOn(
      converging,
      "stage_converging",
      `The agents of ${stageName(pass)} were assigned; their answers are awaited.`,
    );
  }
  const shortage = shortageOf(converging, stage, reached);
  if (shortage !== null) return say(converging, "waiting_for_agents", shortage, figuresOf(reached));
  const doubted = withDoubt(converging);
  if (doubted !== null) return doubted;
  if (isNothingNew(converging)) {
    const message = `${stageName(pass)} was skipped: its agents have the revision already.`;
    const inputs = figuresOf(reached);
    const skipped = log(converging, { kind: "stage", reason: "stage_skipped", message, inputs });
    return withProgress(enterStage(skipped, { state: "skipped", convergedAtMs: pass.input.nowMs }), hold);
  }
  const message = `${stageName(pass)} is good: ${agentsText(reached.goodCount)}. It bakes for ${stage.bakeMs / 1000} s.`;
  const baking = enterStage(converging, { state: "baking", convergedAtMs: pass.input.nowMs });
  return withProgress(say(baking, "stage_baking", message, figuresOf(reached)), hold);
}

/** All that the stage brought were there already. */
function isNothingNew({ judged, status }: Pass): boolean {
  const own = judged.filter(({ stage, state }) => stage === status.stageIndex && state !== "incapable");
  return own.length > 0 && own.every(({ state }) => state === "already_current");
}

/** Why the stage may not pass although nothing more is expected; null: it may. */
function shortageOf({ status, input }: Pass, stage: Stage, reached: Progress): string | null {
  const { minReachedPercent } = input.spec.policies;
  const at = status.stages[status.stageIndex];
  // Who is deleted or relabelled is missed no more; but after a loss of the fleet state, who is missing may only be silent.
  const isCounted = at !== undefined && input.fleetLostAtMs > (at.startedAtMs ?? 0);
  const size = isCounted ? Math.max(at.size, reached.capableCount) : reached.capableCount;
  const throughCount = reached.goodCount + reached.acceptedCount + reached.failedCount;
  const neededCount = Math.ceil((size * minReachedPercent) / 100 - 1e-9);
  const hasReachedSome = status.stages.some(({ size }) => size > 0);
  if (throughCount === 0 && hasReachedSome) return "No agent of the stages so far is through; the stage waits for one.";
  if (throughCount < neededCount) {
    return `${throughCount} agents of the stages so far are through, ${neededCount} are needed; the others are offline. Wait for them, or abort and narrow the selector.`;
  }
  const judgedCount = reached.goodCount + reached.failedCount;
  if (reached.goodCount * 100 < judgedCount * stage.successMinPercent - 1e-9) {
    return `${reached.goodCount} of ${judgedCount} agents are good, and the stage needs ${stage.successMinPercent} %.`;
  }
  return null;
}

/** Whether the stage is as good as it was when it converged. */
function isGoodStill(pass: Pass, stage: Stage): boolean {
  const reached = progress(pass);
  const isThrough = reached.openCount === 0 && reached.isSettled && shortageOf(pass, stage, reached) === null;
  return isThrough && budgetVerdict(pass).kind === "pass";
}

function reopened(pass: Pass, hold: Hold | null): Pass {
  const message = `${stageName(pass)} is open again: an agent of it is not good, or has come back.`;
  const open = enterStage(pass, { state: "converging", convergedAtMs: null, gatingAtMs: null, gatesPassed: [] });
  return withProgress(say(open, "stage_reopened", message, figuresOf(progress(pass))), hold);
}

function bake(pass: Pass, stage: Stage, at: StageStatus, hold: Hold | null): Pass {
  if (!isGoodStill(pass, stage)) return reopened(pass, hold);
  const { nowMs } = pass.input;
  if (nowMs < (at.convergedAtMs ?? nowMs) + stage.bakeMs) {
    return goOn(pass, "stage_baking", `${stageName(pass)} bakes for ${stage.bakeMs / 1000} s.`);
  }
  const gating = enterStage(pass, { state: "gating", gatingAtMs: nowMs });
  if (stage.gates.length === 0 && stage.promotions === 0) return withProgress(gating, hold);
  return withProgress(say(gating, "stage_gating", `${stageName(pass)} has baked; its gates are asked.`), hold);
}

function gate(pass: Pass, stage: Stage, at: StageStatus, hold: Hold | null): Pass {
  if (!isGoodStill(pass, stage)) return reopened(pass, hold);
  const { verdict, pass: asked } = assessStageGates(pass, stage, at);
  switch (verdict) {
    case "measuring":
    case "stopped":
      return asked;
    case "pass":
      break;
  }
  if (stage.promotions === 0) return passStage(asked, hold);
  return awaitPromotion(enterStage(asked, { state: "awaiting_promotion" }), stage, hold);
}

function awaitPromotion(pass: Pass, stage: Stage, hold: Hold | null): Pass {
  if (!isGoodStill(pass, stage)) return reopened(pass, hold);
  const names = promoters(pass);
  if (names.length >= stage.promotions) {
    const message = `${stageName(pass)} was promoted by ${names.join(", ")}.`;
    const inputs = { promotions: names.length, needed: stage.promotions };
    return passStage(log(pass, { kind: "operator", reason: "stage_promotion", message, inputs }), hold);
  }
  return say(
    pass,
    "stage_promotion",
    `${stageName(pass)} waits to be promoted: ${names.length} of ${stage.promotions} so far.`,
    { promotions: names.length, needed: stage.promotions },
  );
}

/** People who promoted the stage at work, the author aside where that does not count. */
function promoters({ input, status }: Pass): readonly string[] {
  const { promotions, approval, author } = input.spec;
  const said = promotions.filter(({ stage }) => stage === status.stageIndex).map(({ by }) => by);
  return [...new Set(said)].filter((who) => !(approval.notAuthor && who === author));
}

function passStage(pass: Pass, hold: Hold | null): Pass {
  const reached = progress(pass);
  const message = `${stageName(pass)} passed: ${reached.goodCount} of ${agentsText(reached.capableCount)} are good.`;
  const logged = log(pass, { kind: "stage", reason: "stage_passed", message, inputs: figuresOf(reached) });
  return withProgress(withJudged(enterStage(logged, { state: "passed" })), hold);
}

/** Every stage passed: the whole fleet is watched for a last while. */
function finalBake(pass: Pass): Pass {
  const { input, status } = pass;
  const { spec, nowMs } = input;
  const hasReachedSome = status.stages.some(({ size }) => size > 0);
  const finalBakeMs = hasReachedSome ? spec.timing.finalBakeMs : 0;
  const sinceMs = status.passedAtMs ?? nowMs;
  const message = `Every stage passed; the last watch takes ${finalBakeMs / 1000} s.`;
  const entered = withStatus(pass, { passedAtMs: sinceMs });
  const baking =
    status.phase === "baking_final"
      ? goOn(entered, "final_bake", message)
      : enter(entered, "baking_final", "final_bake", message);
  const last = spec.stages.at(-1);
  if (nowMs < sinceMs + finalBakeMs || last === undefined) return baking;
  const reached = progress(baking);
  const shortage = shortageOf(baking, last, reached);
  if (!reached.isSettled || reached.openCount > 0 || shortage !== null) {
    const why = shortage ?? "Some agents are on their way still.";
    return say(baking, "waiting_for_agents", why, figuresOf(reached));
  }
  const doubted = withDoubt(baking);
  if (doubted !== null) return doubted;
  const accepted = status.acceptedFailures.length;
  const except = accepted === 0 ? "" : `, except for ${accepted} failed agents that an operator accepted`;
  const success = `Every stage passed${except}; ${spec.configId} revision ${spec.revision} is stable.`;
  return end(baking, "succeeded", "completed", success, figuresOf(reached));
}
