// An agent that was assigned a config, judged by what it reported since: offered, at work, watched, well or failed. Pure; what
// rollouts make of it, and of agents that were given back what they had, is assess.ts.

import type { Assessment, CohortAgent } from "./assess.ts";
import { type Attempt, latestAttempt, unhealthyParts } from "./attempt.ts";
import { CLOCK_SKEW_MS, type DesiredRecord, offerOf } from "./candidate.ts";
import type { FailureState } from "./desired.ts";
import { hasCapability, isConnected } from "./facts.ts";
import type { RolloutSpec } from "./rollout.ts";
import type { AgentRolloutState } from "./rollout-states.ts";
import type { AgentView } from "./view.ts";

/** How long an agent that reports neither status nor effective config must stay healthy to count. */
export const SETTLE_MS = 15_000;

/** Times that an agent may become unhealthy after an offer: once for the restart of its Collector, and two more. */
export const MAX_DROPS = 3;

/** An agent that should run something. */
export type AssignedAgent = Pick<CohortAgent, "view" | "shows"> & { readonly desired: DesiredRecord };

/** Judges an agent by what it was assigned; `hasPassed`: its stage passed, and it may come and go. */
export function assessAssigned(agent: AssignedAgent, spec: RolloutSpec, hasPassed: boolean, nowMs: number): Assessment {
  const { view, desired } = agent;
  const ack = view.acknowledgement;
  const attempt = offerOf(view, desired);
  const sinceMs = attempt?.offeredAtMs ?? ack?.atMs ?? desired.assignedAtMs;
  const limitMs = sinceMs + spec.timing.applyTimeoutMs;
  if (ack !== null && ack.value.hash === desired.hash) {
    switch (ack.value.state) {
      case "failed":
        return failed("failed", ack.value.error);
      case "applied":
        return assessApplied(agent, attempt, spec, hasPassed, nowMs);
      case "applying":
        return retried(
          withinOrBack(view, "applying", limitMs, spec, nowMs, "it said applying and no more"),
          attempt,
          spec,
        );
      case "unset":
        break;
    }
  }
  // A failure of long ago, under another assignment, does not count against this one: it is offered anew.
  const answer = attempt?.answer ?? null;
  const wentBack = ack !== null && ack.value.state === "applied" && ack.value.hash !== "";
  if (answer?.state === "failed" && answer.atMs >= desired.assignedAtMs - CLOCK_SKEW_MS) {
    return failed(wentBack ? "self_rolled_back" : "failed", answer.error);
  }
  if (answer?.state === "applying" && wentBack && ack.atMs > answer.atMs) {
    return failed("self_rolled_back", "it was at work on the config, and then said applied of the one before");
  }
  return retried(assessOffered(agent, attempt, spec, nowMs), attempt, spec);
}

/** What became of an agent that says that it applied the config: well and connected for the soak time, or not. */
function assessApplied(
  { view, desired, shows }: AssignedAgent,
  attempt: Attempt | null,
  spec: RolloutSpec,
  hasPassed: boolean,
  nowMs: number,
): Assessment {
  const { applyTimeoutMs, soakMs, darkTimeoutMs, unhealthyGraceMs } = spec.timing;
  const appliedAtMs = attempt?.answer?.state === "applied" ? attempt.answer.atMs : (view.acknowledgement?.atMs ?? 0);
  const wasCurrent = attempt === null && appliedAtMs < desired.assignedAtMs - CLOCK_SKEW_MS;
  const good = wasCurrent ? "already_current" : "verified";
  const health = view.health;
  const sinceMs = Math.max(appliedAtMs, health?.sinceMs ?? 0);
  if (!isConnected(view)) {
    if (hasPassed || wasCurrent) return still(good);
    const darkUntilMs = (view.connection?.value.ended?.atMs ?? sinceMs) + darkTimeoutMs;
    return within("applied_unverified", darkUntilMs, nowMs, "it went dark after it said applied", "went_dark");
  }
  // One that is well and unwell by turns never soaks, and is never unwell for long.
  if ((health?.drops ?? 0) > MAX_DROPS)
    return failed("unhealthy", `it became unhealthy ${health?.drops} times since the offer`);
  const trouble = troubleOf(view, attempt);
  if (trouble !== null) {
    const pending = within("applied_unverified", sinceMs + unhealthyGraceMs, nowMs, trouble, "unhealthy");
    return hasPassed && pending.failure === null ? { ...pending, state: good } : pending;
  }
  if (hasPassed || wasCurrent) return still(good);
  if (attempt !== null && shows === false && isUnproven(view, desired)) {
    const limitMs = Math.max(attempt.offeredAtMs + applyTimeoutMs, appliedAtMs + unhealthyGraceMs);
    const error = "it said applied, and its effective config is still the one from before";
    return within("applied_unverified", limitMs, nowMs, error);
  }
  const verifiedAtMs = sinceMs + soakMs;
  if (nowMs >= verifiedAtMs) return still(good);
  return { state: "applied_unverified", failure: null, changesAtMs: verifiedAtMs };
}

/**
 * Whether an agent says that it applied what it should run, and tells effective configs, but none since it was offered that:
 * then what it showed before must have it already, as where nothing but a comment changed. APPLIED is a claim.
 */
export function isUnproven(view: AgentView, { hash }: Pick<DesiredRecord, "hash">): boolean {
  const { acknowledgement: ack, effectiveConfig } = view;
  if (ack?.value.hash !== hash || ack.value.state !== "applied") return false;
  if (effectiveConfig === null || !hasCapability(view, "ReportsEffectiveConfig")) return false;
  return effectiveConfig.atMs < (latestAttempt(view.attempts, hash)?.offeredAtMs ?? 0);
}

/** What is wrong with an agent, and was not before it was offered the config; null when nothing is. */
function troubleOf({ health }: AgentView, attempt: Attempt | null): string | null {
  if (health === null) return null;
  const { healthy, lastError, status } = health.value;
  if (!healthy) return lastError || status || "it reports that it is not healthy";
  const before = new Set(attempt?.baseline?.unhealthy);
  const worse = attempt?.baseline === undefined ? [] : unhealthyParts(health.value).filter((part) => !before.has(part));
  return worse.length === 0 ? null : `${worse.slice(0, 3).join(", ")} is not healthy, and was before`;
}

function assessOffered(
  { view, desired, shows }: AssignedAgent,
  attempt: Attempt | null,
  spec: RolloutSpec,
  nowMs: number,
): Assessment {
  const { applyTimeoutMs } = spec.timing;
  if (attempt === null) {
    if (!isConnected(view)) return still("offline_deferred");
    const sinceMs = Math.max(desired.assignedAtMs, view.connection?.value.connectedAtMs ?? 0);
    return within("assigned", sinceMs + applyTimeoutMs, nowMs, "no gateway sent it the offer");
  }
  if (!hasCapability(view, "ReportsRemoteConfig")) return assessUnspoken(view, shows === true, attempt, spec, nowMs);
  return withinOrBack(
    view,
    "offered",
    attempt.offeredAtMs + applyTimeoutMs,
    spec,
    nowMs,
    "it gave no answer to the offer",
  );
}

/** An agent that never tells a config status: its effective config after the offer and its health must do. */
function assessUnspoken(
  view: AgentView,
  isShown: boolean,
  attempt: Attempt,
  spec: RolloutSpec,
  nowMs: number,
): Assessment {
  const { applyTimeoutMs, soakMs } = spec.timing;
  const limitMs = attempt.offeredAtMs + Math.max(applyTimeoutMs, SETTLE_MS) + soakMs;
  const isWell = isConnected(view) && troubleOf(view, attempt) === null;
  const takenAtMs = takenAt(view, isShown, attempt);
  if (isWell && takenAtMs !== null) {
    const verifiedAtMs = Math.max(takenAtMs, view.health?.sinceMs ?? 0) + soakMs;
    if (nowMs >= verifiedAtMs) return still("verified");
    if (verifiedAtMs <= limitMs) return { state: "applied_unverified", failure: null, changesAtMs: verifiedAtMs };
  }
  const error = "neither its effective config nor its health shows the config";
  return withinOrBack(view, "offered", limitMs, spec, nowMs, error);
}

/**
 * Since when an agent that tells no status is seen to have what it was offered; null while it is not. One whose effective
 * config has it need not report it again. Another one after the offer counts too: configs of the agent's own may overrule
 * what it was offered.
 */
function takenAt(view: AgentView, isShown: boolean, { offeredAtMs }: Attempt): number | null {
  if (!hasCapability(view, "ReportsEffectiveConfig")) return offeredAtMs + SETTLE_MS;
  const shownAtMs = view.effectiveConfig?.atMs ?? 0;
  if (isShown) return Math.max(shownAtMs, offeredAtMs);
  return shownAtMs >= offeredAtMs ? shownAtMs : null;
}

/** A failure of a kind that is tried again, while tries are left. */
function retried(judged: Assessment, attempt: Attempt | null, { retry, timing }: RolloutSpec): Assessment {
  const tries = attempt?.tries ?? 1;
  if (judged.failure === null || attempt === null || tries >= retry.maxAttempts) return judged;
  if (!retry.retryOn.includes(judged.failure.state)) return judged;
  const { baseMs, factor, capMs } = retry.backoff;
  const dueAtMs = attempt.offeredAtMs + timing.applyTimeoutMs + Math.min(capMs, baseMs * factor ** (tries - 1));
  return { state: judged.state, failure: null, changesAtMs: dueAtMs, retry: { tries: tries + 1, dueAtMs } };
}

/** A judgement that only a report can change. */
export function still(state: AgentRolloutState): Assessment {
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
  { timing }: RolloutSpec,
  nowMs: number,
  error: string,
): Assessment {
  const darkUntilMs = (view.connection?.value.ended?.atMs ?? Number.POSITIVE_INFINITY) + timing.darkTimeoutMs;
  if (darkUntilMs >= limitMs) return within(state, limitMs, nowMs, error);
  return within(state, darkUntilMs, nowMs, "it went dark after the offer", "went_dark");
}
