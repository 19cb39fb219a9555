// What one agent is doing in one rollout, judged from what it reported and what it was assigned. Pure; called by
// plan.ts for every targeted agent on every pass, so it derives everything and remembers nothing.
//
// The rules in short: APPLIED is a claim that health must confirm; silence after an offer is a failure, silence
// before it is not; an agent that cannot report a status is judged by its effective config and health.

import { type Attempt, latestAttempt } from "./attempt.ts";
import type { Desired, Exclusion, FailureState, Rank } from "./desired.ts";
import { hasCapability, isConnected } from "./facts.ts";
import type { AgentRolloutState, RolloutSpec, RolloutStatus } from "./rollout.ts";
import type { AgentView } from "./view.ts";

/** A desired config as it is stored. */
export interface DesiredRecord extends Desired {
  readonly assignedAtMs: number;
  /** Rollouts that would have brought it something else, and do not count for it any more. */
  readonly exclusions?: readonly Exclusion[];
}

/** One targeted agent: what it reported, and what it was assigned. */
export interface CohortAgent {
  readonly view: AgentView;
  readonly desired: DesiredRecord | null;
  /** How the rollout failed it, if it did: then it counts for it no more. */
  readonly exclusion?: Exclusion | undefined;
}

/** The judgement of one agent. */
export interface Assessment {
  readonly state: AgentRolloutState;
  /** How it failed, also when it was given back what it had since then; null when it did not. */
  readonly failure: Pick<Exclusion, "state" | "error"> | null;
  /** When the judgement changes by time alone; null when only a report can change it. */
  readonly changesAtMs: number | null;
}

/** How long an agent that went dark after an offer may stay away: three heartbeats of 30 s and a minute. */
export const DARK_TIMEOUT_MS = 150_000;
/** How long an agent may be unhealthy after it said applied: Collectors take some seconds to start all of their parts. */
export const UNHEALTHY_GRACE_MS = 30_000;
/** How long an agent that reports neither status nor effective config must stay healthy to count. */
export const SETTLE_MS = 15_000;
/** Clocks of gateways and workers may differ by this much. */
export const CLOCK_SKEW_MS = 5_000;

/** Judges one agent; `rank` is its place in this rollout. */
export function assess(
  agent: CohortAgent,
  rank: Rank,
  spec: RolloutSpec,
  status: RolloutStatus,
  nowMs: number,
): Assessment {
  const { view } = agent;
  if (agent.exclusion !== undefined) return assessExcluded(agent, agent.exclusion, spec, nowMs);
  if (view.capabilities !== null && !hasCapability(view, "AcceptsRemoteConfig")) return still("incapable");
  if (rank > status.cutoff) return still("queued");
  const desired = assignedDesired(agent, spec);
  if (desired === null) return still("assigned");
  return assessAssigned(view, desired, spec, rank <= status.passedCutoff, nowMs);
}

/** Whether the agent is through, well or badly: nothing more is expected of it in its stage. */
export function isSettled(state: AgentRolloutState): boolean {
  switch (state) {
    case "verified":
    case "failed":
    case "self_rolled_back":
    case "timed_out":
    case "went_dark":
    case "unhealthy":
    case "restored":
    case "restore_failed":
    case "offline_deferred":
    case "incapable":
      return true;
    case "queued":
    case "assigned":
    case "offered":
    case "applying":
    case "applied_unverified":
    case "restore_offered":
      return false;
  }
}

/** An agent that the revision failed: whether it has what it had before. */
function assessExcluded(agent: CohortAgent, exclusion: Exclusion, spec: RolloutSpec, nowMs: number): Assessment {
  const failure = { state: exclusion.state, error: exclusion.error };
  const { view, desired } = agent;
  const isWithout = desired?.contributions.every(({ rolloutId }) => rolloutId !== spec.id) ?? false;
  if (desired === null || !isWithout) return { state: "restore_offered", failure, changesAtMs: null };
  const back = assessRestored(view, desired, spec, nowMs);
  switch (back.state) {
    case "verified": {
      // Nobody had to give it back what it has.
      const offeredAtMs = latestAttempt(view.attempts, desired.hash)?.offeredAtMs ?? 0;
      const wentBack = exclusion.state === "failed" && offeredAtMs < exclusion.atMs;
      const how = wentBack ? ({ ...failure, state: "self_rolled_back" } as const) : failure;
      return { state: "restored", failure: how, changesAtMs: null };
    }
    case "offline_deferred":
      return { state: "restore_offered", failure, changesAtMs: null };
    default:
      return {
        state: back.failure === null ? "restore_offered" : "restore_failed",
        failure,
        changesAtMs: back.changesAtMs,
      };
  }
}

/** An agent that tells no status may show what it shows already; being well for a while must do. */
function assessRestored(view: AgentView, desired: DesiredRecord, spec: RolloutSpec, nowMs: number): Assessment {
  const judged = assessAssigned(view, desired, spec, false, nowMs);
  const offeredAtMs = latestAttempt(view.attempts, desired.hash)?.offeredAtMs ?? null;
  if (hasCapability(view, "ReportsRemoteConfig") || offeredAtMs === null || judged.state === "verified") return judged;
  const isWell = isConnected(view) && view.health?.value.healthy !== false;
  const settledAtMs = Math.max(offeredAtMs, view.health?.atMs ?? 0) + SETTLE_MS;
  if (!isWell || offeredAtMs < desired.assignedAtMs - CLOCK_SKEW_MS) return judged;
  return nowMs >= settledAtMs ? still("verified") : { state: "offered", failure: null, changesAtMs: settledAtMs };
}

function assignedDesired(agent: CohortAgent, spec: RolloutSpec): DesiredRecord | null {
  const part = agent.desired?.contributions.find((contribution) => contribution.configId === spec.configId);
  return part?.rolloutId === spec.id && part.revision === spec.revision ? agent.desired : null;
}

function assessAssigned(
  view: AgentView,
  desired: DesiredRecord,
  spec: RolloutSpec,
  hasPassed: boolean,
  nowMs: number,
): Assessment {
  const ack = view.acknowledgement;
  const attempt = latestAttempt(view.attempts, desired.hash);
  const sinceMs = attempt?.offeredAtMs ?? ack?.atMs ?? desired.assignedAtMs;
  if (ack !== null && ack.value.hash === desired.hash) {
    switch (ack.value.state) {
      case "failed":
        return failed("failed", ack.value.error);
      case "applied":
        return assessApplied(view, sinceMs, spec, hasPassed, nowMs);
      case "applying":
        return withinOrBack(view, "applying", sinceMs + spec.applyTimeoutMs, nowMs, "it said applying and no more");
      case "unset":
        break;
    }
  }
  // A failure of long ago, under another assignment, does not count against this one: it is offered anew.
  const answer = attempt?.answer ?? null;
  const isOfThisTime = answer !== null && answer.atMs >= desired.assignedAtMs - CLOCK_SKEW_MS;
  if (answer?.state === "failed" && isOfThisTime) {
    const wentBack = ack !== null && ack.value.state === "applied" && ack.value.hash !== "";
    return failed(wentBack ? "self_rolled_back" : "failed", answer.error);
  }
  return assessOffered(view, desired, attempt, spec, nowMs);
}

function assessApplied(
  view: AgentView,
  sinceMs: number,
  spec: RolloutSpec,
  hasPassed: boolean,
  nowMs: number,
): Assessment {
  const ended = view.connection?.value.ended ?? null;
  if (!isConnected(view)) {
    if (hasPassed) return still("verified");
    const darkUntilMs = (ended?.atMs ?? sinceMs) + DARK_TIMEOUT_MS;
    return within("applied_unverified", darkUntilMs, nowMs, "it went dark after it said applied", "went_dark");
  }
  if (view.health === null || view.health.value.healthy) return still("verified");
  const error = view.health.value.lastError || view.health.value.status || "it reports that it is not healthy";
  const appliedAtMs = view.acknowledgement?.atMs ?? sinceMs;
  const limitMs = Math.min(sinceMs + spec.applyTimeoutMs, appliedAtMs + UNHEALTHY_GRACE_MS);
  return within("applied_unverified", limitMs, nowMs, error, "unhealthy");
}

function assessOffered(
  view: AgentView,
  desired: DesiredRecord,
  attempt: Attempt | null,
  spec: RolloutSpec,
  nowMs: number,
): Assessment {
  // An agent that never tells a status is offered a config once per process (gateway/offer.ts): its last offer stands.
  const isStanding = !hasCapability(view, "ReportsRemoteConfig") && attempt === view.attempts.at(-1);
  const isOld = attempt !== null && attempt.offeredAtMs < desired.assignedAtMs - CLOCK_SKEW_MS && !isStanding;
  if (attempt === null || isOld) {
    if (!isConnected(view)) return still("offline_deferred");
    const sinceMs = Math.max(desired.assignedAtMs, view.connection?.value.connectedAtMs ?? 0);
    return within("assigned", sinceMs + spec.applyTimeoutMs, nowMs, "no gateway sent it the offer");
  }
  if (!hasCapability(view, "ReportsRemoteConfig")) return assessUnspoken(view, attempt, spec, nowMs);
  const limitMs = attempt.offeredAtMs + spec.applyTimeoutMs;
  return withinOrBack(view, "offered", limitMs, nowMs, "it gave no answer to the offer");
}

/** An agent that never tells a config status: its effective config after the offer and its health must do. */
function assessUnspoken(view: AgentView, attempt: Attempt, spec: RolloutSpec, nowMs: number): Assessment {
  const limitMs = attempt.offeredAtMs + spec.applyTimeoutMs;
  const isHealthy = isConnected(view) && view.health?.value.healthy !== false;
  const showsConfig = hasCapability(view, "ReportsEffectiveConfig");
  const settledAtMs = attempt.offeredAtMs + SETTLE_MS;
  const hasTaken = showsConfig ? (view.effectiveConfig?.atMs ?? 0) >= attempt.offeredAtMs : nowMs >= settledAtMs;
  if (isHealthy && hasTaken) return still("verified");
  const error = "neither its effective config nor its health shows the config";
  const pending = withinOrBack(view, "offered", limitMs, nowMs, error);
  return isHealthy && !showsConfig && nowMs < settledAtMs ? { ...pending, changesAtMs: settledAtMs } : pending;
}

function still(state: AgentRolloutState): Assessment {
  return { state, failure: null, changesAtMs: null };
}

function failed(state: FailureState, error: string): Assessment {
  return { state, failure: { state, error }, changesAtMs: null };
}

function within(
  state: AgentRolloutState,
  limitMs: number,
  nowMs: number,
  error: string,
  failure: FailureState = "timed_out",
): Assessment {
  return nowMs < limitMs ? { state, failure: null, changesAtMs: limitMs } : failed(failure, error);
}

/** As `within`, but an agent that went dark is waited for no longer than those may be. */
function withinOrBack(
  view: AgentView,
  state: AgentRolloutState,
  limitMs: number,
  nowMs: number,
  error: string,
): Assessment {
  const darkUntilMs = (view.connection?.value.ended?.atMs ?? Number.POSITIVE_INFINITY) + DARK_TIMEOUT_MS;
  if (darkUntilMs >= limitMs) return within(state, limitMs, nowMs, error);
  return within(state, darkUntilMs, nowMs, "it went dark after the offer", "went_dark");
}
