// Agents that the revision failed: whom to give back what they had, at once and whatever else is decided, whom to try
// again, and how long a rollout that has ended is still looked after for them. Pure.

import { latestAttempt } from "./attempt.ts";
import { CLOCK_SKEW_MS, offerOf } from "./candidate.ts";
import type { Exclusion } from "./desired.ts";
import type { InstanceUid } from "./ids.ts";
import { isOnItsWay, isOpen, type Judged } from "./judge.ts";
import { isCatchingUp } from "./pace.ts";
import { agentsText, log, type Pass } from "./pass.ts";
import { FAILURE_WORDS, isEnded, isTakingBack } from "./rollout-states.ts";

/** One agent is to go on without the rollout. */
export interface Restore {
  readonly uid: InstanceUid;
  readonly exclusion: Exclusion;
}

/** How long agents that are to have what is stable are waited for before the rollout counts as settled. */
const CATCH_UP_MS = 300_000;
/** Failures of single agents that a pass logs. */
const MAX_LOGGED_FAILURES = 50;

/** Those that failed and are still assigned the revision: a failed agent is made safe at once, alone. */
export function restoresOf(pass: Pass): readonly Restore[] {
  const { spec, nowMs } = pass.input;
  const { phase } = pass.status;
  if (phase === "reverted" || phase === "rolled_back") return [];
  return pass.judged.flatMap((one) => {
    const { agent, failure, isDispatched } = one;
    const { desired, view, exclusion } = agent;
    if (failure === null || desired === null || !isDispatched || !isOfRevision(one, pass)) return [];
    const fresh = { rolloutId: spec.id, hash: desired.hash, ...failure, atMs: nowMs };
    return [{ uid: view.uid, exclusion: exclusion ?? fresh }];
  });
}

/** Logs who failed since the pass before. */
export function logFailures(pass: Pass, restores: readonly Restore[]): Pass {
  const known = new Set(
    pass.judged.filter(({ agent }) => agent.exclusion !== undefined).map(({ agent }) => agent.view.uid),
  );
  const news = restores.filter(({ uid }) => !known.has(uid));
  const logged = news.slice(0, MAX_LOGGED_FAILURES).reduce((at, { uid, exclusion }) => {
    const message = `Agent ${uid} ${FAILURE_WORDS[exclusion.state]}: ${exclusion.error || "no word"}. It is given back what it had.`;
    return log(at, {
      kind: "agent",
      reason: exclusion.state,
      message,
      agents: [uid],
      inputs: { hash: exclusion.hash },
    });
  }, pass);
  const more = news.length - MAX_LOGGED_FAILURES;
  if (more <= 0) return logged;
  const uids = news.slice(MAX_LOGGED_FAILURES).map(({ uid }) => uid);
  return log(logged, {
    kind: "agent",
    reason: "failed",
    message: `${agentsText(more)} more failed at the same moment.`,
    agents: uids,
  });
}

/** An agent that an operator wants tried again, after it failed. */
export interface TryAgain {
  readonly uid: InstanceUid;
  /** When it may be: what it last said of the config must be older than the new assignment by any clock. */
  readonly fromMs: number;
}

/** Agents that operators want tried again. */
export function askedAgainOf({ judged, input }: Pass): readonly TryAgain[] {
  if (input.spec.retries.length === 0) return [];
  const askedAtMs = new Map(input.spec.retries.map(({ uid, atMs }) => [uid, atMs]));
  return judged.flatMap(({ agent: { view, exclusion } }) => {
    // It may have been asked for, as it may have failed, under a uid that it had before.
    const asked = [view.uid, ...view.previousUids]
      .map((uid) => askedAtMs.get(uid) ?? 0)
      .reduce((a, b) => Math.max(a, b));
    if (exclusion === undefined || exclusion.atMs >= asked) return [];
    const last = latestAttempt(view.attempts, exclusion.hash);
    const saidAtMs = Math.max(last?.offeredAtMs ?? 0, last?.answer?.atMs ?? 0);
    return [{ uid: view.uid, fromMs: saidAtMs + CLOCK_SKEW_MS + 1 }];
  });
}

/** Those of them that may be tried again now. */
export function forgivenOf(pass: Pass): readonly InstanceUid[] {
  return askedAgainOf(pass).flatMap(({ uid, fromMs }) => (fromMs <= pass.input.nowMs ? [uid] : []));
}

/** Agents that were assigned and left before they could be told: they are to be decided anew. */
export function untoldOf({ judged, status }: Pass): readonly InstanceUid[] {
  if (!status.isPaced || isTakingBack(status.phase)) return [];
  return judged.flatMap(({ agent, isDispatched, state }) =>
    isDispatched && state === "offline_deferred" ? [agent.view.uid] : [],
  );
}

/** After the end, those are looked after that were on their way: one of them may still fail. */
export function isStillOnItsWay(one: Judged, pass: Pass): boolean {
  const { input, status } = pass;
  const catchesUp = isCatchingUp(input.spec, status, input.peers);
  if (catchesUp && (isOpen(one) || one.state === "offline_deferred")) return true;
  const hasFailed = one.failure !== null && one.isDispatched && isOfRevision(one, pass);
  if (one.agent.view.connection?.value.ended !== null) return one.isDispatched && (isOnItsWay(one) || hasFailed);
  // What is stable is for everybody: who has it not yet will in a moment.
  const isFresh = input.nowMs < (status.endedAtMs ?? 0) + CATCH_UP_MS;
  const isDue = isFresh && status.phase === "succeeded" && input.spec.policies.catchUpAfterSuccess;
  if (isOpen(one) || (isOnItsWay(one) && !one.isDispatched)) return isDue;
  // Who is not told what it had before by then waits for its turn in another rollout, or is forgotten.
  const isGivenBack =
    one.state === "restore_offered" && input.nowMs < (one.agent.exclusion?.atMs ?? input.nowMs) + CATCH_UP_MS;
  return isOnItsWay(one) || isGivenBack || hasFailed;
}

/**
 * Whether what an agent suffers from is the revision. While the rollout is at work it is; of one that has ended it is what
 * befell the agent soon after it was offered that: a newcomer, or one that was caught up. One that had it once and was well
 * has other troubles now, and of several rollouts that brought what it has, the last one is to blame.
 */
function isOfRevision({ agent, failure }: Judged, { input, status }: Pass): boolean {
  const { desired, view, exclusion } = agent;
  if (!isEnded(status.phase) || exclusion !== undefined) return true;
  if (desired === null) return false;
  const offer = offerOf(view, desired);
  const { spec, peers, nowMs } = input;
  if (desired.contributions.some(({ rolloutId }) => rolloutId > spec.id || peers.others.has(rolloutId))) return false;
  const hadItOnce = view.attempts.some(
    (each) => each !== offer && each.hash === desired.hash && each.answer?.state === "applied",
  );
  const sinceMs = offer?.offeredAtMs ?? desired.assignedAtMs;
  // Of those that came later silence proves nothing: they may have it already, and come and go as they like.
  const isSilence = failure?.state === "timed_out" || failure?.state === "went_dark";
  if (hadItOnce || (isSilence && status.hasSettled)) return false;
  const { applyTimeoutMs, soakMs, darkTimeoutMs, unhealthyGraceMs } = spec.timing;
  return nowMs < sinceMs + applyTimeoutMs + soakMs + darkTimeoutMs + unhealthyGraceMs;
}
