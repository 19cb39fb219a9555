// The cohort of a rollout, judged: every agent with its place and its state, and what that adds up to. Pure; the first
// thing that a pass does, and what everything else in it rests on.

import { type Assessment, assess, type CohortAgent, isInFlight, isSettled } from "./assess.ts";
import { assessAssigned } from "./assess-assigned.ts";
import { isConnected } from "./facts.ts";
import type { InstanceUid, RolloutId } from "./ids.ts";
import { type Placed, placeCohort } from "./reach.ts";
import {
  NO_COUNTS,
  type Rollout,
  type RolloutCounts,
  type RolloutFailure,
  type RolloutSpec,
  type RolloutStatus,
} from "./rollout.ts";
import { type AgentRolloutState, type FailureKind, isEnded } from "./rollout-states.ts";
import { findStorms, inStorms, type Storm } from "./storm.ts";

/** An agent that was admitted: its desired config is to be written, if it is not already. */
export interface WaveEntry {
  readonly uid: InstanceUid;
  /** Which try of the config it is, from 1. */
  readonly tries: number;
}

/** One agent, judged. */
export interface Judged extends Placed, Assessment {
  /** The rollout brought it what it should run. */
  readonly isDispatched: boolean;
  /** The storm that it is in, and whether an operator let the rollout go on in spite of that. */
  readonly storm: (Storm & { readonly isAccepted: boolean }) | null;
}

/** What judging rests on. */
export interface JudgeInput {
  readonly spec: RolloutSpec;
  readonly cohort: readonly CohortAgent[];
  /** Agents that were admitted and may not be assigned yet. */
  readonly wave: readonly WaveEntry[];
  readonly nowMs: number;
  /** Whether the cohort is only some of the agents: storms are then those that the last pass over all of them found. */
  readonly isPartial?: boolean;
}

/** Judges every agent under a status; what of it counts is in pass.ts, isSameBasis. */
export function judge(
  { spec, cohort, wave, nowMs, isPartial = false }: JudgeInput,
  status: RolloutStatus,
): readonly Judged[] {
  const waved = new Set(wave.map(({ uid }) => uid));
  const storms = isPartial ? inStorms(cohort, spec.pace, status.storms) : stormsIn(cohort, spec, status, nowMs);
  const terms = termsOf({ spec, status });
  return placeCohort(cohort, spec, status).map((placed) => {
    const { agent, stage } = placed;
    const intent = {
      isReached: stage !== null,
      hasPassed: stage !== null && isPassed(status, stage),
      isAdmitted: !status.isPaced || waved.has(agent.view.uid),
      isOver: isEnded(status.phase),
    };
    const found = storms.get(agent);
    const storm = found === undefined ? null : { ...found, isAccepted: status.acceptedStorms.includes(found.name) };
    const assessed = inStorm(assess(agent, intent, terms, nowMs), storm);
    return { ...placed, ...assessed, isDispatched: isDispatched(agent, spec.id), storm };
  });
}

/** What agents are judged on: once it ended nobody is tried again. */
export function termsOf({ spec, status }: Rollout): RolloutSpec {
  return isEnded(status.phase) ? { ...spec, retry: { ...spec.retry, maxAttempts: 1 } } : spec;
}

/** Dark in a storm is no failure: the agent is judged when it is back. */
function inStorm(assessed: Assessment, storm: Judged["storm"]): Assessment {
  const isExcused = storm !== null && !storm.isAccepted && assessed.state === "went_dark";
  return isExcused ? { ...assessed, failure: null } : assessed;
}

function stormsIn(cohort: readonly CohortAgent[], spec: RolloutSpec, status: RolloutStatus, nowMs: number) {
  if (status.startedAtMs === null) return new Map<CohortAgent, Storm>();
  const { darkTimeoutMs } = spec.timing;
  const rule = {
    rolloutId: spec.id,
    domainKey: spec.pace.domainKey,
    sinceMs: status.startedAtMs,
    afterMs: darkTimeoutMs / 3,
  };
  return findStorms(cohort, rule, nowMs);
}

function isPassed({ stages }: RolloutStatus, stage: number): boolean {
  const state = stages[stage]?.state;
  return state === "passed" || state === "skipped";
}

function isDispatched({ desired }: CohortAgent, id: RolloutId): boolean {
  return desired?.contributions.some(({ rolloutId }) => rolloutId === id) ?? false;
}

/** The targeted agents by state. */
export function countStates(judged: readonly Judged[]): RolloutCounts {
  const counts: Record<AgentRolloutState, number> = { ...NO_COUNTS };
  for (const { state } of judged) counts[state] += 1;
  return counts;
}

/** How an agent counts against the failure budget; null: it does not. */
export function failureKind({ failure, state, stage }: Judged, { policies }: RolloutSpec): FailureKind | null {
  if (failure !== null) return failure.state;
  if (stage === null) return null;
  if (state === "incapable" && policies.incapable === "fail") return "incapable";
  return state === "offline_deferred" && policies.offline === "fail" ? "offline_deferred" : null;
}

/** A failure as operators are shown it. */
export function failureOf({ agent, state, failure }: Judged): readonly RolloutFailure[] {
  return failure === null ? [] : [{ uid: agent.view.uid, ...failure, since: state }];
}

/** How far the agents are that the stages reached so far. */
export interface Progress {
  /** Agents that count: reached and capable, and not excluded from the count by a policy. */
  readonly capableCount: number;
  readonly goodCount: number;
  /** Failures that hold nothing up any more. */
  readonly acceptedCount: number;
  readonly failedCount: number;
  readonly isSettled: boolean;
  /** Agents that could be assigned now and are not. */
  readonly openCount: number;
}

/** Adds up the agents that the stages reached. */
export function progressOf(judged: readonly Judged[], spec: RolloutSpec, accepted: ReadonlySet<InstanceUid>): Progress {
  const isAway = ({ state }: Judged): boolean => state === "offline_deferred" && spec.policies.offline === "exclude";
  const counted = judged.filter((one) => one.stage !== null && isCountable(one, spec) && !isAway(one));
  const isAccepted = (one: Judged): boolean => accepted.has(one.agent.view.uid) && failureKind(one, spec) !== null;
  return {
    capableCount: counted.length,
    goodCount: counted.filter(isGood).length,
    acceptedCount: counted.filter(isAccepted).length,
    failedCount: counted.filter((one) => failureKind(one, spec) !== null && !isAccepted(one)).length,
    isSettled: counted.every((one) => isThrough(one) && !isUnclear(one)),
    openCount: counted.filter(isOpen).length,
  };
}

/** Through, and well with the revision. */
export function isGood({ state }: Judged): boolean {
  return state === "verified" || state === "already_current";
}

/** Nothing more is expected of it. Who failed and is away gets back what it had when it returns, and holds nobody up. */
function isThrough(one: Judged): boolean {
  const isToBeRestored = one.state === "restore_offered" || (one.failure !== null && one.isDispatched);
  return isToBeRestored ? !isConnected(one.agent.view) : isSettled(one);
}

/** Not part of the count: cannot take it, or has something newer. */
function isCountable({ state }: Judged, { policies }: RolloutSpec): boolean {
  return state === "incapable" ? policies.incapable === "fail" : state !== "superseded";
}

/** Dark in a storm: neither good nor failed. */
function isUnclear({ state, failure }: Judged): boolean {
  return state === "went_dark" && failure === null;
}

/** Whether an agent is reached and there, and waits to be admitted. */
export function isOpen({ state, stage }: Judged): boolean {
  return stage !== null && (state === "queued" || state === "held");
}

/** Whether an agent takes a place among those that are on their way. */
export function isOnItsWay(one: Judged): boolean {
  return isInFlight(one) && one.stage !== null;
}

/** Whether an agent is missing in its domain because of the rollout: on its way, given back something, or unwell with it. */
export function isUnavailable(one: Judged): boolean {
  if (isOnItsWay(one)) return true;
  switch (one.state) {
    case "restore_offered":
    case "restore_failed":
    case "rollback_offered":
    case "rollback_failed":
      return true;
    case "went_dark":
      return one.isDispatched;
    default:
      return one.failure !== null && one.state !== "restored";
  }
}

/** Whether another rollout has the agent on its way, by its own terms: the agent waits, so that a failure has one cause. */
export function isBusyElsewhere(
  { agent }: Judged,
  others: ReadonlyMap<RolloutId, RolloutSpec>,
  nowMs: number,
): boolean {
  const { desired, view } = agent;
  if (desired === null || !isConnected(view)) return false;
  return desired.contributions.some(({ rolloutId }) => {
    const terms = others.get(rolloutId);
    return terms !== undefined && isInFlight(assessAssigned({ ...agent, desired }, terms, false, nowMs));
  });
}
