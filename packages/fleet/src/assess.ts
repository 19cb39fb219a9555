// What one agent is doing in one rollout, judged from what it reported and what it was assigned. Pure; called by
// plan.ts for every targeted agent on every pass, so it derives everything and remembers nothing.
//
// The rules in short: APPLIED is a claim that health must confirm; silence after an offer is a failure, silence
// before it is not; an agent that cannot report a status is judged by its effective config and health.

import { type Attempt, latestAttempt } from "./attempt.ts";
import type { Desired, Rank } from "./desired.ts";
import { hasCapability, isConnected } from "./facts.ts";
import type { AgentRolloutState, RolloutSpec, RolloutStatus } from "./rollout.ts";
import type { AgentView } from "./view.ts";

/** A desired config as it is stored. */
export interface DesiredRecord extends Desired {
  readonly assignedAtMs: number;
}

/** One targeted agent: what it reported, and what it was assigned. */
export interface CohortAgent {
  readonly view: AgentView;
  readonly desired: DesiredRecord | null;
}

/** The judgement of one agent. */
export interface Assessment {
  readonly state: AgentRolloutState;
  /** What went wrong, in the agent's words or ours; empty otherwise. */
  readonly error: string;
  /** When the judgement changes by time alone; null when only a report can change it. */
  readonly changesAtMs: number | null;
}

/** How long an agent that went dark after an offer may stay away: three heartbeats of 30 s and a minute. */
export const DARK_TIMEOUT_MS = 150_000;
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
    case "timed_out":
    case "unhealthy":
    case "offline_deferred":
    case "incapable":
      return true;
    case "queued":
    case "assigned":
    case "offered":
    case "applying":
    case "applied_unverified":
      return false;
  }
}

/** Whether the state counts against the rollout. */
export function isFailure(state: AgentRolloutState): boolean {
  return state === "failed" || state === "timed_out" || state === "unhealthy";
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
        return { state: "failed", error: ack.value.error, changesAtMs: null };
      case "applied":
        return assessApplied(view, sinceMs, spec, hasPassed, nowMs);
      case "applying":
        return within("applying", sinceMs + spec.applyTimeoutMs, nowMs, "it said applying and nothing after that");
      case "unset":
        break;
    }
  }
  // A failure of long ago, under another assignment, does not count against this one: it is offered anew.
  const answer = attempt?.answer ?? null;
  const isOfThisTime = answer !== null && answer.atMs >= desired.assignedAtMs - CLOCK_SKEW_MS;
  if (answer?.state === "failed" && isOfThisTime) return { state: "failed", error: answer.error, changesAtMs: null };
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
    return within("applied_unverified", darkUntilMs, nowMs, "it went dark after it said applied");
  }
  if (view.health === null || view.health.value.healthy) return still("verified");
  const error = view.health.value.lastError || view.health.value.status || "it reports that it is not healthy";
  const limitMs = sinceMs + spec.applyTimeoutMs;
  if (nowMs < limitMs) return { state: "applied_unverified", error: "", changesAtMs: limitMs };
  return { state: "unhealthy", error, changesAtMs: null };
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
  return within("offered", attempt.offeredAtMs + spec.applyTimeoutMs, nowMs, "it gave no answer to the offer");
}

/** An agent that never tells a config status: its effective config after the offer and its health must do. */
function assessUnspoken(view: AgentView, attempt: Attempt, spec: RolloutSpec, nowMs: number): Assessment {
  const limitMs = attempt.offeredAtMs + spec.applyTimeoutMs;
  const isHealthy = isConnected(view) && view.health?.value.healthy !== false;
  const showsConfig = hasCapability(view, "ReportsEffectiveConfig");
  const settledAtMs = attempt.offeredAtMs + SETTLE_MS;
  const hasTaken = showsConfig ? (view.effectiveConfig?.atMs ?? 0) >= attempt.offeredAtMs : nowMs >= settledAtMs;
  if (isHealthy && hasTaken) return still("verified");
  const pending = within("offered", limitMs, nowMs, "neither its effective config nor its health shows the config");
  return isHealthy && !showsConfig && nowMs < settledAtMs ? { ...pending, changesAtMs: settledAtMs } : pending;
}

function still(state: AgentRolloutState): Assessment {
  return { state, error: "", changesAtMs: null };
}

function within(state: AgentRolloutState, limitMs: number, nowMs: number, error: string): Assessment {
  if (nowMs < limitMs) return { state, error: "", changesAtMs: limitMs };
  return { state: "timed_out", error, changesAtMs: null };
}
