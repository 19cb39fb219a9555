// One trace per rollout: what a pass that was committed adds to it. Pure. The ids of the spans follow from what they are
// about, so whichever worker committed a step can tell it, days after the first was told by another.
//
//   rollout ─┬─ stage 1 ─┬─ agent <uid> try 1     a sample of those that are good, and of those that failed
//            │           └─ wave 3
//            └─ verdicts: each decision on a phase, a stage or a gate

import {
  type CohortAgent,
  type Decision,
  isEnded,
  latestAttempt,
  type Plan,
  type PlanInput,
  rankOf,
  type StageStatus,
} from "@muster/fleet";
import type { StoredRollout } from "@muster/store";
import { field } from "@muster/telemetry";
import { type FinishedSpan, traceIdOf } from "@muster/telemetry/trace";

/** Good agents that a stage shows, of those that have an attempt, and as many that failed. */
const SAMPLED_PER_STAGE = 20;

/** The spans of one committed pass. */
export function spansOf(rollout: StoredRollout, next: Plan, input: PlanInput): readonly FinishedSpan[] {
  const { spec, status, version } = rollout;
  const traceId = traceIdOf(spec.id);
  const verdicts = next.decisions.map((decision, i) => verdictSpan(traceId, decision, `${version}/${i}`));
  // One that succeeded was told then; that it is reverted is told by its decisions.
  const isEnding = isEnded(next.status.phase) && !isEnded(status.phase) && status.phase !== "reverting";
  const stages = next.status.stages.flatMap((stage, i) => {
    const isTold = isStageOver(status.stages[i]) || !(isStageOver(stage) || isEnding);
    if (isTold || stage.startedAtMs === null) return [];
    return [
      {
        traceId,
        path: `stage/${i}`,
        parentPath: "",
        name: `stage ${i + 1}`,
        startMs: stage.startedAtMs,
        endMs: input.nowMs,
        attributes: { "muster.stage.state": stage.state, "muster.stage.size": stage.size },
        isError: stage.state === "failed",
      },
      ...agentSpans(traceId, i, stage.startedAtMs, input),
    ];
  });
  return [...verdicts, ...stages, ...(isEnding ? [rootSpan(traceId, rollout, next, input.nowMs)] : [])];
}

/** One that another rollout interrupts never is. */
function isStageOver(stage: StageStatus | undefined): boolean {
  return stage?.state === "passed" || stage?.state === "failed" || stage?.state === "skipped";
}

function rootSpan(traceId: string, { spec }: StoredRollout, { status }: Plan, endMs: number): FinishedSpan {
  const { configId, revision, createdAtMs } = spec;
  return {
    traceId,
    path: "",
    parentPath: null,
    name: `rollout ${configId}@${revision}`,
    startMs: createdAtMs,
    endMs,
    attributes: {
      [field.rollout]: spec.id,
      "muster.rollout.phase": status.phase,
      "muster.rollout.reason": status.reason,
    },
    isError: status.phase !== "succeeded",
  };
}

/** What was decided at a moment, with what it rested on. */
function verdictSpan(traceId: string, decision: Decision, path: string): FinishedSpan {
  const { atMs, kind, phase, reason, message, stage, agents, inputs } = decision;
  const figures = Object.entries(inputs).flatMap(([name, value]) =>
    value === null ? [] : [[`muster.input.${name}`, value]],
  );
  return {
    traceId,
    path: `decision/${path}`,
    parentPath: kind === "wave" && stage !== null ? `stage/${stage}` : "",
    name: `${kind} ${reason}`,
    startMs: atMs,
    endMs: atMs,
    attributes: {
      "muster.rollout.phase": phase,
      "muster.message": message,
      "muster.agents": [...agents],
      ...Object.fromEntries(figures),
    },
    isError: kind === "agent",
  };
}

/** Attempts of the agents of a stage that is over: a few of those that failed, and a few of the others. */
function agentSpans(
  traceId: string,
  stage: number,
  sinceMs: number,
  { cohort, spec }: PlanInput,
): readonly FinishedSpan[] {
  const tried = cohort.flatMap((agent) => {
    const span = attemptSpan(traceId, stage, sinceMs, agent);
    return span === null ? [] : [{ span, rank: rankOf(spec.seed, agent.view.uid) }];
  });
  const good = tried.filter(({ span }) => span.isError !== true).sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const failed = tried.filter(({ span }) => span.isError === true);
  return [...failed.slice(0, SAMPLED_PER_STAGE), ...good.slice(0, SAMPLED_PER_STAGE)].map(({ span }) => span);
}

function attemptSpan(
  traceId: string,
  stage: number,
  sinceMs: number,
  { view, desired, exclusion }: CohortAgent,
): FinishedSpan | null {
  const hash = exclusion?.hash ?? desired?.hash;
  const attempt = hash === undefined ? null : latestAttempt(view.attempts, hash);
  if (attempt === null || attempt.offeredAtMs < sinceMs) return null;
  const endMs = exclusion?.atMs ?? attempt.answer?.atMs ?? attempt.offeredAtMs;
  return {
    traceId,
    path: `stage/${stage}/agent/${view.uid}/${attempt.number}`,
    parentPath: `stage/${stage}`,
    name: `agent ${attempt.answer?.state ?? "silent"}`,
    startMs: attempt.offeredAtMs,
    endMs: Math.max(endMs, attempt.offeredAtMs),
    attributes: { [field.uid]: view.uid, "muster.attempt": attempt.number, "muster.config.hash": attempt.hash },
    isError: exclusion !== undefined,
  };
}
