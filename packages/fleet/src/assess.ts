// What one agent is doing in one rollout, judged from what it reported and what it was assigned. Pure; called by
// judge.ts for every targeted agent on every pass, so it derives everything and remembers nothing.
//
// The rules in short: APPLIED is a claim that health must confirm for the soak time; silence after an offer is a failure,
// silence before it is not; an agent that cannot report a status is judged by its effective config and health.

import { type AssignedAgent, assessAssigned, SETTLE_MS, still } from "./assess-assigned.ts";
import { latestAttempt } from "./attempt.ts";
import { CLOCK_SKEW_MS, type DesiredRecord, failedAtMs, isIncapable } from "./candidate.ts";
import { desiredOf } from "./compose.ts";
import { type Exclusion, withValues } from "./desired.ts";
import { hasCapability, isConnected, labelsOf } from "./facts.ts";
import type { RolloutSpec } from "./rollout.ts";
import type { AgentRolloutState } from "./rollout-states.ts";
import type { AgentView } from "./view.ts";

/** One targeted agent: what it reported, and what it was assigned. */
export interface CohortAgent {
  readonly view: AgentView;
  readonly desired: DesiredRecord | null;
  /** How the rollout failed it, if it did: then it counts for it no more. */
  readonly exclusion?: Exclusion | undefined;
  /** Whether its effective config has what it should run; absent or null: its word is enough, or nobody can tell. */
  readonly shows?: boolean | null;
  /** Components that the revision uses and the agent is known to lack. */
  readonly lacking?: readonly string[];
}

/** What the rollout means with an agent. */
export interface Intent {
  /** Whether a stage that started reaches it. */
  readonly isReached: boolean;
  /** Whether it is in a stage that passed: then it may come and go. */
  readonly hasPassed: boolean;
  /** Whether it is to be assigned the revision as soon as a worker gets to it. */
  readonly isAdmitted: boolean;
  /** Whether the rollout has ended: only then another one may have begun to work on the config. */
  readonly isOver?: boolean;
}

/** The judgement of one agent. */
export interface Assessment {
  readonly state: AgentRolloutState;
  /** How it failed, also when it was given back what it had since then; null when it did not. */
  readonly failure: Pick<Exclusion, "state" | "error"> | null;
  /** When the judgement changes by time alone; null when only a report can change it. */
  readonly changesAtMs: number | null;
  /** It failed, but is to be tried again from then on. */
  readonly retry?: { readonly tries: number; readonly dueAtMs: number };
}

/** Judges one agent. */
export function assess(agent: CohortAgent, intent: Intent, spec: RolloutSpec, nowMs: number): Assessment {
  const { view, desired } = agent;
  if (isIncapable(view)) return { ...still("incapable"), failure: agent.exclusion ?? null };
  if (agent.exclusion !== undefined) return assessExcluded(agent, agent.exclusion, spec, nowMs);
  const part = desired?.contributions.find(({ configId }) => configId === spec.configId);
  if (desired !== null && part?.rolloutId === spec.id)
    return assessAssigned({ ...agent, desired }, spec, intent.hasPassed, nowMs);
  if (desired?.returned?.includes(spec.id) === true) return assessReturned({ ...agent, desired }, spec, nowMs);
  if (intent.isOver === true && part !== undefined && part.rolloutId > spec.id) return still("superseded");
  if ((agent.lacking?.length ?? 0) > 0) return still("incapable");
  if (!intent.isReached) return still("queued");
  if (isSpared(agent, spec)) {
    const error = "it failed this very content before, and is not offered it again";
    return { state: "failed", failure: { state: "failed", error }, changesAtMs: null };
  }
  if (!isConnected(view)) return still("offline_deferred");
  return still(intent.isAdmitted ? "assigned" : "queued");
}

/**
 * Whether it failed the content under an earlier rollout, alone or together with what it has of other configs, and this one
 * leaves it alone for that.
 */
function isSpared({ view, desired }: CohortAgent, spec: RolloutSpec): boolean {
  const failed = failedAtMs(view);
  if (spec.retry.requeueFailedHash || failed.size === 0) return false;
  const { configId, revision, hash, order, id, variables } = spec;
  const others = desired?.contributions.filter((part) => part.configId !== configId) ?? [];
  const agent = { labels: labelsOf(view), presentUid: view.uid };
  const own = withValues({ configId, revision, hash, order, rolloutId: id }, variables, agent);
  const whole = desiredOf([...others, own]);
  return [hash, whole.hash].some((each) => (failed.get(each) ?? Number.POSITIVE_INFINITY) < spec.createdAtMs);
}

/** Whether the agent is through, well or badly: nothing more is expected of it in its stage. */
export function isSettled({ state, retry }: Assessment): boolean {
  switch (state) {
    case "queued":
    case "held":
    case "assigned":
    case "offered":
    case "applying":
    case "applied_unverified":
    case "restore_offered":
    case "rollback_offered":
      return false;
    default:
      return retry === undefined;
  }
}

/** Whether the agent is on its way: what limits of agents in flight count. */
export function isInFlight({ state, retry }: Assessment): boolean {
  return (
    state === "assigned" ||
    state === "offered" ||
    state === "applying" ||
    state === "applied_unverified" ||
    retry !== undefined
  );
}

/** An agent that the revision failed: whether it has what it had before. */
function assessExcluded(agent: CohortAgent, exclusion: Exclusion, spec: RolloutSpec, nowMs: number): Assessment {
  const failure = { state: exclusion.state, error: exclusion.error };
  const { view, desired } = agent;
  const isWithout = desired?.contributions.every(({ rolloutId }) => rolloutId !== spec.id) ?? false;
  if (desired === null || !isWithout) return { state: "restore_offered", failure, changesAtMs: null };
  // What it says that it has may be from before it was offered what failed it.
  if (!isConnected(view)) return { state: "restore_offered", failure, changesAtMs: null };
  const back = assessGivenBack({ ...agent, desired }, spec, nowMs);
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

/** An agent from which the rollout was taken back. */
function assessReturned(agent: AssignedAgent, spec: RolloutSpec, nowMs: number): Assessment {
  const back = assessGivenBack(agent, spec, nowMs);
  switch (back.state) {
    case "verified":
      return still("rolled_back");
    case "offline_deferred":
      return still("offline_deferred");
    default:
      return {
        state: back.failure === null ? "rollback_offered" : "rollback_failed",
        failure: null,
        changesAtMs: back.changesAtMs,
      };
  }
}

/**
 * Whether an agent has what it was given back. It need only be as well as it was with that, so no soak and no proof; an agent
 * that tells no status may show what it shows already, and being well for a while must do.
 */
function assessGivenBack(given: AssignedAgent, spec: RolloutSpec, nowMs: number): Assessment {
  const { view, desired } = given;
  const agent = hasCapability(view, "ReportsRemoteConfig") ? { view, desired } : given;
  const patient = { ...spec, timing: { ...spec.timing, soakMs: 0 }, retry: { ...spec.retry, maxAttempts: 1 } };
  const judged = assessAssigned(agent, patient, false, nowMs);
  if (judged.state === "already_current") return { ...judged, state: "verified" };
  if (wasUnwellBefore(view) && judged.failure?.state === "unhealthy") return still("verified");
  const offeredAtMs = latestAttempt(view.attempts, desired.hash)?.offeredAtMs ?? null;
  if (hasCapability(view, "ReportsRemoteConfig") || offeredAtMs === null || judged.state === "verified") return judged;
  const isWell = isConnected(view) && view.health?.value.healthy !== false;
  const settledAtMs = Math.max(offeredAtMs, view.health?.sinceMs ?? 0) + SETTLE_MS;
  if (!isWell || offeredAtMs < desired.assignedAtMs - CLOCK_SKEW_MS) return judged;
  return nowMs >= settledAtMs ? still("verified") : { state: "offered", failure: null, changesAtMs: settledAtMs };
}

/** Whether an agent was unhealthy before what is taken from it was offered: then it cannot be better than that. */
function wasUnwellBefore(view: AgentView): boolean {
  return view.attempts.at(-2)?.baseline?.healthy === false || view.attempts.at(-1)?.baseline?.healthy === false;
}

/** For so long after an offer what befalls an agent may be its fault. */
const TROUBLE_MS = 900_000;

/**
 * Whether an agent shows that what it was offered last fails it: somebody must look, also where the rollout that brought
 * it ended long ago and is looked after no more. A hint, judged in full by whoever looks.
 */
export function isInTrouble({ attempts, health }: AgentView, nowMs: number): boolean {
  const last = attempts.at(-1);
  if (last === undefined || last.answer === null) return false;
  if (last.answer.state === "failed") return true;
  return health?.value.healthy === false && nowMs < last.offeredAtMs + TROUBLE_MS;
}
