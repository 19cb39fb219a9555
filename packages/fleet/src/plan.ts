// The next step of a rollout: plan(spec, status, cohort, now) → status and when to look again. Pure: the worker
// loads, calls this, and writes what it answers (services/rollout). Safe to run any number of times.
//
// Order of work, each part on what the parts before it decided:
//   1. the operator's wish   2. judge every agent   3. failures pause   4. the stage at work moves on
//
// Invariants
//   P1. A stage starts only when the one before it passed, and passes only on verified agents: never on "none pending".
//   P2. The cutoff only grows, and only while running.
//   P3. A fleet that has just lost its state is never mistaken for an empty one: nothing moves until it is told again.

import { type Assessment, assess, type CohortAgent, isSettled } from "./assess.ts";
import { EVERYONE, type Exclusion, type Rank, rankOf } from "./desired.ts";
import { FleetError } from "./error.ts";
import { originOf } from "./facts.ts";
import type { InstanceUid } from "./ids.ts";
import {
  type AgentRolloutState,
  isEnded,
  NO_COUNTS,
  ROLLOUT_TRANSITIONS,
  type RolloutFailure,
  type RolloutPhase,
  type RolloutReason,
  type RolloutSpec,
  type RolloutStatus,
  STAGE_TRANSITIONS,
  type Stage,
  type StageState,
  type StageStatus,
  stageSize,
  targetedCount,
} from "./rollout.ts";

/** What a pass decided. */
export interface Plan {
  /** The very status that went in when nothing changed. */
  readonly status: RolloutStatus;
  /** Agents that the revision failed and that are to be given back what they had, at once and whatever else is decided. */
  readonly restores: readonly Restore[];
  /** When to look again although nothing was reported; null once the rollout has ended. */
  readonly wakeAtMs: number | null;
}

/** One agent is to go on without the rollout. */
export interface Restore {
  readonly uid: InstanceUid;
  readonly exclusion: Exclusion;
}

/** What a pass looks at. */
export interface PlanInput {
  readonly spec: RolloutSpec;
  readonly status: RolloutStatus;
  /** Every agent that the rollout's selector matches now. */
  readonly cohort: readonly CohortAgent[];
  /** When the fleet state was last lost; 0: never. */
  readonly fleetLostAtMs: number;
  readonly nowMs: number;
}

/** Share of a stage's agents that must be verified before the stage may pass; the others may be offline. */
export const MIN_REACHED_PERCENT = 90;
/** How long agents are given to tell a lost fleet state again. */
export const REBUILD_MS = 60_000;
/** A running rollout is looked at this often even when nothing is expected. */
const MAX_SLEEP_MS = 30_000;
/** Failures that a status names. */
const MAX_FAILURES = 10;

interface Judged extends Assessment {
  readonly rank: Rank;
  readonly agent: CohortAgent;
}

/** Decides the next step of a rollout. */
export function plan(input: PlanInput): Plan {
  const { spec, nowMs } = input;
  if (isEnded(input.status.phase)) return { status: input.status, restores: [], wakeAtMs: null };
  const wished = withWish(input.status, input);
  const judged = judge(input.cohort, spec, wished, nowMs);
  const counted = withCounts(wished, judged);
  const checked = withFailures(counted, judged, input);
  const moved = checked.phase === "running" ? withProgress(checked, judged, input) : checked;
  const status = isSameStatus(input.status, moved) ? input.status : { ...moved, updatedAtMs: nowMs };
  const restores = restoresOf(judged, input);
  return { status, restores, wakeAtMs: isEnded(status.phase) ? null : wakeAt(status, judged, input) };
}

/** Changes phase as the table allows, with why. */
function enter(status: RolloutStatus, phase: RolloutPhase, reason: RolloutReason, message: string): RolloutStatus {
  const allowed: readonly RolloutPhase[] = ROLLOUT_TRANSITIONS[status.phase];
  if (phase !== status.phase && !allowed.includes(phase)) {
    throw new FleetError("internal", `a rollout cannot go from ${status.phase} to ${phase}`);
  }
  return { ...status, phase, reason, message };
}

function because(sentence: string, reason: string): string {
  return reason === "" ? `${sentence}.` : `${sentence}: ${reason}`;
}

// 1. The operator's wish

function withWish(status: RolloutStatus, { spec, cohort, nowMs }: PlanInput): RolloutStatus {
  // Spec and status are read one after the other: an older spec than the status knows says nothing new.
  if (spec.generation <= status.observedGeneration) return status;
  const seen = { ...status, observedGeneration: spec.generation };
  switch (spec.wish) {
    case "abort":
      return {
        ...enter(
          seen,
          "halted",
          "operator_aborted",
          because("Ended by an operator", spec.wishReason) + keptBy(status, spec),
        ),
        endedAtMs: nowMs,
      };
    case "pause":
      return enter(seen, "paused", "operator_paused", because("Paused by an operator", spec.wishReason));
    case "run": {
      if (status.phase !== "paused") return seen;
      const failed = judge(cohort, spec, seen, nowMs).filter(({ failure }) => failure !== null);
      const accepted = failed.length === 0 ? "" : ` with ${failed.length} failed agents accepted`;
      const resumed = enter(
        seen,
        "running",
        "operator_resumed",
        because(`Resumed by an operator${accepted}`, spec.wishReason),
      );
      return { ...withBakeAnew(resumed, nowMs), acceptedFailures: failed.map((one) => one.agent.view.uid) };
    }
  }
}

/** Says of an ended rollout who keeps what it brought. */
function keptBy({ counts }: RolloutStatus, { revision }: RolloutSpec): string {
  const goneBack = counts.restore_offered + counts.restored + counts.restore_failed;
  const keptCount = targetedCount(counts) - counts.queued - counts.incapable - goneBack;
  if (keptCount === 0) return "";
  return ` (${keptCount === 1 ? "1 agent keeps" : `${keptCount} agents keep`} revision ${revision}; roll out another to bring them back)`;
}

/** Time that passed in a pause proves nothing: a stage that baked then bakes anew. */
function withBakeAnew(status: RolloutStatus, nowMs: number): RolloutStatus {
  const at = status.stages[status.stageIndex];
  if (at?.state !== "baking") return status;
  return { ...status, stages: status.stages.with(status.stageIndex, { ...at, convergedAtMs: nowMs }) };
}

// 2. Judge every agent

function judge(
  cohort: readonly CohortAgent[],
  spec: RolloutSpec,
  status: RolloutStatus,
  nowMs: number,
): readonly Judged[] {
  return cohort.map((agent) => {
    const rank = rankOf(spec.id, originOf(agent.view));
    return { ...assess(agent, rank, spec, status, nowMs), rank, agent };
  });
}

function withCounts(status: RolloutStatus, judged: readonly Judged[]): RolloutStatus {
  const counts: Record<AgentRolloutState, number> = { ...NO_COUNTS };
  for (const { state } of judged) counts[state] += 1;
  return { ...status, counts };
}

// 3. Failures pause

function withFailures(status: RolloutStatus, judged: readonly Judged[], { spec, nowMs }: PlanInput): RolloutStatus {
  const accepted = new Set<string>(status.acceptedFailures);
  const failed = judged.filter(({ failure, agent }) => failure !== null && !accepted.has(agent.view.uid));
  const failures = failed.flatMap(failureOf).slice(0, MAX_FAILURES);
  const listed = { ...status, failures };
  const [first] = failures;
  if (first === undefined || status.phase !== "running") return listed;
  const others = failed.length === 1 ? "" : ` and ${failed.length - 1} more`;
  const message = `Agent ${first.uid}${others} ${first.state.replaceAll("_", " ")}: ${first.error}${alongside(failed[0], spec)}`;
  return { ...enter(listed, "paused", "agents_failed", message), updatedAtMs: nowMs };
}

function failureOf({ agent, state, failure }: Judged): readonly RolloutFailure[] {
  return failure === null ? [] : [{ uid: agent.view.uid, ...failure, since: state }];
}

/** Those that failed and are still assigned the revision: a failed agent is made safe at once, alone. */
function restoresOf(judged: readonly Judged[], { spec, nowMs }: PlanInput): readonly Restore[] {
  return judged.flatMap(({ agent, failure }) => {
    const { desired, view, exclusion } = agent;
    const isAssigned = desired?.contributions.some(({ rolloutId }) => rolloutId === spec.id) ?? false;
    if (failure === null || desired === null || !isAssigned) return [];
    const fresh = { rolloutId: spec.id, hash: desired.hash, ...failure, atMs: nowMs };
    return [{ uid: view.uid, exclusion: exclusion ?? fresh }];
  });
}

/** Other configs that a failed agent runs beside this one: the fault may be theirs. */
function alongside(failed: Judged | undefined, spec: RolloutSpec): string {
  const others = failed?.agent.desired?.contributions.filter(({ configId }) => configId !== spec.configId) ?? [];
  if (others.length === 0) return "";
  return ` (it also runs ${others.map(({ configId, revision }) => `${configId} revision ${revision}`).join(", ")})`;
}

// 4. The stage at work moves on

function withProgress(status: RolloutStatus, judged: readonly Judged[], input: PlanInput): RolloutStatus {
  const { spec, nowMs } = input;
  if (isRebuilding(input)) {
    return enter(status, "running", "rebuilding", "The fleet state was lost; waiting for the agents to tell it again.");
  }
  const stage = spec.stages[status.stageIndex];
  const at = status.stages[status.stageIndex];
  if (stage === undefined || at === undefined) return complete(status, spec, nowMs);
  switch (at.state) {
    case "pending":
      return startStage(status, stage, judged, input);
    case "converging":
      return converge(status, stage, at, judged, input);
    case "baking":
      return bake(status, stage, at, judged, input);
    case "passed":
      return withProgress(nextStage(status), judged, input);
  }
}

function isRebuilding({ fleetLostAtMs, nowMs }: PlanInput): boolean {
  return fleetLostAtMs > 0 && nowMs < fleetLostAtMs + REBUILD_MS;
}

function complete(status: RolloutStatus, spec: RolloutSpec, nowMs: number): RolloutStatus {
  const accepted = status.acceptedFailures.length;
  const except = accepted === 0 ? "" : `, except for ${accepted} failed agents that an operator accepted`;
  const message = `Every stage passed${except}; ${spec.configId} revision ${spec.revision} is stable.`;
  return { ...enter(status, "succeeded", "completed", message), endedAtMs: nowMs };
}

function nextStage(status: RolloutStatus): RolloutStatus {
  return { ...status, stageIndex: status.stageIndex + 1, passedCutoff: status.cutoff };
}

function startStage(status: RolloutStatus, stage: Stage, judged: readonly Judged[], input: PlanInput): RolloutStatus {
  const hasReachedSome = status.stages.some(({ size }) => size > 0);
  if (hasReachedSome && judged.length === 0) {
    // A fleet that was there a stage ago has not shrunk to nothing; it is away (P3).
    return enter(status, "running", "waiting_for_agents", "Every agent of the rollout is gone; it waits for them.");
  }
  const ranks = judged
    .filter(({ state }) => state !== "incapable")
    .map(({ rank }) => rank)
    .sort();
  const isLast = status.stageIndex === input.spec.stages.length - 1;
  const size = isLast ? ranks.length : stageSize(stage.size, ranks.length);
  // The last stage is everyone, also agents that have not come yet.
  const cutoff = isLast ? EVERYONE : (ranks[size - 1] ?? status.cutoff);
  const started = withStage(status, { state: "converging", size, startedAtMs: input.nowMs, convergedAtMs: null });
  const grown = cutoff > started.cutoff ? { ...started, cutoff } : started;
  const message = `Stage ${status.stageIndex + 1} of ${input.spec.stages.length} began: ${size} ${size === 1 ? "agent" : "agents"}.`;
  const next = enter(grown, "running", "stage_started", message);
  // Judged again under the new cutoff, so that the counts say who is on the way.
  const rejudged = judge(input.cohort, input.spec, next, input.nowMs);
  return size === 0 ? withProgress(next, rejudged, input) : withCounts(next, rejudged);
}

function converge(
  status: RolloutStatus,
  stage: Stage,
  at: StageStatus,
  judged: readonly Judged[],
  input: PlanInput,
): RolloutStatus {
  if (!reachedAgents(status, judged).every(({ state }) => isSettled(state))) return status;
  const { countedCount, neededCount } = assessReach(status, at, judged);
  if (countedCount < neededCount) {
    const message = `${countedCount} agents of stage ${status.stageIndex + 1} are good, ${neededCount} are needed; the others are offline or no longer match. Wait for them, or abort and narrow the selector.`;
    return enter(status, "running", "waiting_for_agents", message);
  }
  const baking = withStage(status, { ...at, state: "baking", convergedAtMs: input.nowMs });
  const message = `Stage ${status.stageIndex + 1} is good; it bakes for ${stage.bakeMs / 1000} s.`;
  return withProgress(enter(baking, "running", "stage_baking", message), judged, input);
}

function bake(
  status: RolloutStatus,
  stage: Stage,
  at: StageStatus,
  judged: readonly Judged[],
  input: PlanInput,
): RolloutStatus {
  const { countedCount, neededCount } = assessReach(status, at, judged);
  const isGood = reachedAgents(status, judged).every(({ state }) => isSettled(state)) && countedCount >= neededCount;
  if (!isGood) {
    const reopened = withStage(status, { ...at, state: "converging", convergedAtMs: null });
    return enter(
      reopened,
      "running",
      "stage_reopened",
      `An agent of stage ${status.stageIndex + 1} is no longer good.`,
    );
  }
  if (input.nowMs < (at.convergedAtMs ?? input.nowMs) + stage.bakeMs) return status;
  return withProgress(withStage(status, { ...at, state: "passed" }), judged, input);
}

/** How many agents of the stage are through, and how many must be: 90 % of those that can take a config (P1). */
function assessReach(status: RolloutStatus, at: StageStatus, judged: readonly Judged[]) {
  const reached = reachedAgents(status, judged);
  const incapableCount = reached.filter(({ state }) => state === "incapable").length;
  // Failures that hold nothing up any more are accepted ones.
  const countedCount = reached.filter(({ state, failure }) => state === "verified" || failure !== null).length;
  const capableCount = Math.max(0, at.size - incapableCount);
  return { countedCount, neededCount: Math.ceil((capableCount * MIN_REACHED_PERCENT) / 100) };
}

function reachedAgents(status: RolloutStatus, judged: readonly Judged[]): readonly Judged[] {
  return judged.filter(({ rank }) => rank <= status.cutoff);
}

function withStage(status: RolloutStatus, next: StageStatus): RolloutStatus {
  const before: StageState = status.stages[status.stageIndex]?.state ?? "pending";
  const allowed: readonly StageState[] = STAGE_TRANSITIONS[before];
  if (!allowed.includes(next.state)) {
    throw new FleetError("internal", `a stage cannot go from ${before} to ${next.state}`);
  }
  return { ...status, stages: status.stages.with(status.stageIndex, next) };
}

/** Always later than now: a status that nothing changed must not be looked at again at once. */
function wakeAt(status: RolloutStatus, judged: readonly Judged[], input: PlanInput): number {
  const { nowMs } = input;
  const changes = judged.map(({ changesAtMs }) => changesAtMs).filter((ms) => ms !== null);
  const earliestMs = [...changes, progressAtMs(status, input)].reduce((a, b) => Math.min(a, b), nowMs + MAX_SLEEP_MS);
  return Math.max(nowMs + 1, earliestMs);
}

/** When the stage at work moves on by time alone. */
function progressAtMs(status: RolloutStatus, input: PlanInput): number {
  const { spec, nowMs, fleetLostAtMs } = input;
  const at = status.stages[status.stageIndex];
  const stage = spec.stages[status.stageIndex];
  if (status.phase !== "running") return Number.POSITIVE_INFINITY;
  if (isRebuilding(input)) return fleetLostAtMs + REBUILD_MS;
  if (at?.state !== "baking" || stage === undefined) return Number.POSITIVE_INFINITY;
  return (at.convergedAtMs ?? nowMs) + stage.bakeMs;
}

function isSameStatus(a: RolloutStatus, b: RolloutStatus): boolean {
  return JSON.stringify({ ...a, updatedAtMs: 0 }) === JSON.stringify({ ...b, updatedAtMs: 0 });
}
