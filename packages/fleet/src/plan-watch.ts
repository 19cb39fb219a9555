// What stops a rollout that runs: storms, failures, the end of its time, an approval that was withdrawn. Pure; runs before
// the stage at work may move, and also while the rollout is paused, so that it takes itself back without being watched.

import { assessBudget, type BudgetVerdict, breachAction, budgetText, doubtText, type Outcome } from "./budget.ts";
import { failureKind, failureOf, isGood, isOnItsWay, type Judged, progressOf } from "./judge.ts";
import { act, agentsText, enter, isGoing, type Pass, withStatus } from "./pass.ts";
import { approvalsOf } from "./plan-start.ts";
import type { RolloutFailure, RolloutSpec } from "./rollout.ts";
import { FAILURE_WORDS } from "./rollout-states.ts";
import type { Storm } from "./storm.ts";

/** Failures that a status names. */
const MAX_FAILURES = 10;

/** Stops what must not go on. */
export function withWatch(pass: Pass): Pass {
  const steps = [withFailureList, withStorm, withBudget, withSuccessFloor, withDeadline, withEndTime, withApproval];
  return steps.reduce(
    (at, step) => (at.status.endedAtMs === null && at.status.phase !== "rolling_back" ? step(at) : at),
    pass,
  );
}

/** Failures that nobody accepted. */
function failuresIn({ judged, status, input }: Pass): readonly Judged[] {
  const accepted = new Set<string>(status.acceptedFailures);
  return judged.filter((one) => failureKind(one, input.spec) !== null && !accepted.has(one.agent.view.uid));
}

/** Names a few of the failures. */
export function withFailureList(pass: Pass): Pass {
  const failures: readonly RolloutFailure[] = failuresIn(pass).flatMap(failureOf).slice(0, MAX_FAILURES);
  return withStatus(pass, { failures });
}

/** A domain or a gateway that goes dark stops the rollout and is nobody's fault; it goes on when that is back. */
function withStorm(pass: Pass): Pass {
  const present = new Map<string, Storm>();
  for (const { storm } of pass.judged) {
    if (storm === null) continue;
    const { name, darkCount, totalCount } = storm;
    present.set(name, { name, darkCount, totalCount });
  }
  // One that is over is forgotten: the next in the same place is a new one.
  const left = pass.status.acceptedStorms.filter((name) => present.has(name));
  const acceptedStorms = left.length === pass.status.acceptedStorms.length ? pass.status.acceptedStorms : left;
  const kept = withStatus(pass, { storms: [...present.values()], acceptedStorms });
  const storm = pass.judged.find((one) => one.storm?.isAccepted === false)?.storm ?? null;
  if (storm === null || !isGoing(pass)) return kept;
  const message = `A storm: ${storm.darkCount} of ${storm.totalCount} agents of ${storm.name} are dark. The rollout waits until they are back; resume it to go on without them.`;
  return enter(kept, "paused", "storm", message, { storm: storm.name, dark: storm.darkCount, total: storm.totalCount });
}

/** More failures than the budget bears. */
function withBudget(pass: Pass): Pass {
  const verdict = budgetVerdict(pass);
  if (verdict.kind !== "fail") return pass;
  const stage = lastStage(pass);
  const action = breachAction(pass.input.spec.budget, stage);
  const { failed, sample } = verdict.reading;
  const message = `${budgetText(verdict.reading)}. ${exampleOf(pass)}`;
  return act(pass, action, "error_budget", message, { failed, sample, verdict: "fail", action, stage });
}

/** What the budget says of the failures so far. */
export function budgetVerdict(pass: Pass): BudgetVerdict {
  return assessBudget(pass.input.spec.budget, outcomesOf(pass), lastStage(pass));
}

/** The stage at work, or after all of them the last. */
function lastStage({ status, input }: Pass): number {
  return Math.min(status.stageIndex, input.spec.stages.length - 1);
}

/**
 * Agents failed, and the budget cannot tell from so few whether that is too many: asked when nobody is on the way any more,
 * since until then more may come. People decide. Null: it can tell.
 */
export function withDoubt(pass: Pass): Pass | null {
  const verdict = budgetVerdict(pass);
  if (verdict.kind !== "inconclusive") return null;
  const { failed, sample, criterion } = verdict.reading;
  const message = `${doubtText(verdict.reading)}. ${exampleOf(pass)}`;
  const inputs = { failed, sample, minSample: criterion.minSample, verdict: "inconclusive" };
  return enter(pass, "paused", "inconclusive", message, inputs);
}

/**
 * Agents that were assigned, as the budget counts them: those on their way too, since failures are heard of sooner than
 * successes and a share of those that are through would call one early failure many. Those that an operator accepted are
 * none of its business.
 */
function outcomesOf({ judged, status, input }: Pass): readonly Outcome[] {
  const accepted = new Set<string>(status.acceptedFailures);
  return judged.flatMap((one): readonly Outcome[] => {
    const failure = failureKind(one, input.spec);
    if (one.stage === null || accepted.has(one.agent.view.uid)) return [];
    return failure !== null || isGood(one) || isOnItsWay(one) ? [{ stage: one.stage, failure }] : [];
  });
}

/** Too few failures for the budget to speak, and too many for the stage to pass: people decide. */
function withSuccessFloor(pass: Pass): Pass {
  const { spec } = pass.input;
  const stage = spec.stages[lastStage(pass)];
  const progress = progressOf(pass.judged, spec, new Set(pass.status.acceptedFailures));
  const { failedCount } = progress;
  if (!isGoing(pass) || failedCount === 0 || stage === undefined) return pass;
  // Those that an operator accepted are neither good nor bad; those that are away may still be good.
  const countedCount = progress.capableCount - progress.acceptedCount;
  if ((countedCount - failedCount) * 100 >= countedCount * stage.successMinPercent - 1e-9) return pass;
  const verdict = budgetVerdict(pass);
  const budget = verdict.kind === "inconclusive" ? "they are too few for the budget to tell" : "the budget bears that";
  const message = `${agentsText(failedCount)} of ${countedCount} failed; ${budget}, but the stage needs ${stage.successMinPercent} % good ones. ${exampleOf(pass)}`;
  const inputs = { failed: failedCount, reached: countedCount, verdict: verdict.kind };
  return enter(pass, "paused", "inconclusive", message, inputs);
}

/** One failure in full, for people. */
function exampleOf(pass: Pass): string {
  const [first] = failuresIn(pass);
  if (first === undefined) return "";
  const { view } = first.agent;
  if (first.failure === null) return `Agent ${view.uid} is ${first.state.replaceAll("_", " ")}.`;
  return `Agent ${view.uid} ${FAILURE_WORDS[first.failure.state]}: ${first.failure.error || "no word"}${alongside(first, pass.input.spec)}`;
}

/** Other configs that a failed agent runs beside this one: the fault may be theirs. */
function alongside({ agent }: Judged, spec: RolloutSpec): string {
  const others = agent.desired?.contributions.filter(({ configId }) => configId !== spec.configId) ?? [];
  if (others.length === 0) return "";
  return ` (it also runs ${others.map(({ configId, revision }) => `${configId} revision ${revision}`).join(", ")})`;
}

function withDeadline(pass: Pass): Pass {
  const { status, input } = pass;
  const { stageDeadlineMs } = input.spec.timing;
  const at = status.stages[status.stageIndex];
  if (!isGoing(pass) || stageDeadlineMs === null || at === undefined || at.startedAtMs === null) return pass;
  const sinceMs = Math.max(at.startedAtMs, status.resumedAtMs ?? 0);
  if (at.state === "passed" || at.state === "skipped" || input.nowMs < sinceMs + stageDeadlineMs) return pass;
  const message = `Stage ${status.stageIndex + 1} did not pass within ${stageDeadlineMs / 1000} s. Resume to give it as long again, or abort.`;
  const inputs = { sinceMs, deadlineMs: stageDeadlineMs };
  return enter(pass, "paused", "stage_overdue", message, inputs);
}

function withEndTime(pass: Pass): Pass {
  const { status, input } = pass;
  const { endAtMs, endBehavior } = input.spec.timing;
  if (endAtMs === null || input.nowMs < endAtMs || (status.resumedAtMs ?? 0) >= endAtMs) return pass;
  if (endBehavior === "pause" && !isGoing(pass)) return pass;
  return act(pass, endBehavior, "end_time", "Its end time came before it was through", { endAtMs });
}

function withApproval(pass: Pass): Pass {
  const { approval } = pass.input.spec;
  const count = approvalsOf(pass.input.spec);
  if (!isGoing(pass) || count >= approval.required) return pass;
  return enter(
    pass,
    "paused",
    "approval_withdrawn",
    `${count} of ${approval.required} approvals are left; it waits for another.`,
    { approvals: count, required: approval.required },
  );
}
