// Who is assigned next: the agents that the stages reached and that were not admitted yet, in their order, within every
// limit. Pure. The same limits slow down the way back, which goes in reverse and faster.

import { isConnected } from "./facts.ts";
import type { InstanceUid } from "./ids.ts";
import { isBusyElsewhere, isOnItsWay, isOpen, isUnavailable, type Judged, type WaveEntry } from "./judge.ts";
import type { Peers } from "./pass.ts";
import type { Pace, RolloutSpec, RolloutStatus } from "./rollout.ts";

/** A wave is written in one piece with the status. */
export const MAX_WAVE = 2_000;
/** The way back may have this many times more agents on their way, and relieve as many times more in a minute. */
export const ROLLBACK_SPEEDUP = 4;
const MINUTE_MS = 60_000;
/** How soon to look again whether it can be told whom others have on their way. */
export const UNSETTLED_MS = 500;

/** Agents to admit, and those whose turn it is and that something holds back. */
export interface Admission {
  readonly admitted: readonly InstanceUid[];
  readonly held: ReadonlySet<InstanceUid>;
  /** When a limit by time lets more through; null when none holds. */
  readonly moreAtMs: number | null;
}

/** Whether a rollout admits agents one by one: it has limits, holds still, or must look out for others. */
export function mustPace(spec: RolloutSpec, { phase }: RolloutStatus, { others }: Peers): boolean {
  return hasLimits(spec) || others.size > 0 || phase === "paused";
}

/** Whether it was asked to keep to limits of number or time. */
export function hasLimits({
  pace,
  stages,
  timing,
}: Pick<RolloutSpec, "pace" | "stages"> & {
  readonly timing: Pick<RolloutSpec["timing"], "windows" | "calendarIds">;
}): boolean {
  return (
    pace.maxPerMinute !== null ||
    pace.maxInFlight !== null ||
    pace.maxUnavailablePerDomain !== null ||
    timing.windows.length > 0 ||
    timing.calendarIds.length > 0 ||
    stages.some(({ maxInFlight }) => maxInFlight !== null)
  );
}

/** Whether the way back keeps to limits: those of number and rate, not those of time. */
export function hasBackLimits({ pace, stages }: Pick<RolloutSpec, "pace" | "stages">): boolean {
  return hasLimits({ pace, stages, timing: { windows: [], calendarIds: [] } });
}

/**
 * Whether a rollout succeeded and brings its revision to those that were away, within its limits: until everybody had it
 * once, or a later one took its place. After that whoever comes is given what is stable at once.
 */
export function isCatchingUp(
  spec: RolloutSpec,
  { phase, hasSettled }: RolloutStatus,
  { isReplaced }: Pick<Peers, "isReplaced">,
): boolean {
  return phase === "succeeded" && !hasSettled && !isReplaced && catchUpOf(spec) === "paced";
}

/** How those are treated that were away when a rollout succeeded: brought up at once, within its limits, or not at all. */
export function catchUpOf(
  spec: Pick<RolloutSpec, "pace" | "stages" | "timing" | "policies">,
): "free" | "paced" | "none" {
  if (!spec.policies.catchUpAfterSuccess) return "none";
  return hasLimits(spec) ? "paced" : "free";
}

/** Agents per minute after so many verified; null: no limit. Factor 2 after each 100, from 10: 10, then 20 at 100, 40 at 200. */
export function ratePerMinute({ maxPerMinute, ramp }: Pace, verifiedCount: number): number | null {
  if (maxPerMinute === null || ramp === null) return maxPerMinute;
  const steps = Math.floor(verifiedCount / ramp.afterVerified);
  return Math.min(Math.max(ramp.maxPerMinute, maxPerMinute), Math.floor(maxPerMinute * ramp.factor ** steps));
}

/** Chooses the agents to admit now, beside so many that are tried again. `judged` has those that were admitted before as on their way. */
export function admit(
  judged: readonly Judged[],
  spec: RolloutSpec,
  status: RolloutStatus,
  peers: Peers,
  nowMs: number,
  retryCount = 0,
): Admission {
  const open = judged.filter((one) => isOpen(one) && isConnected(one.agent.view)).sort(byTurn);
  const held = new Set<InstanceUid>();
  const admitted: InstanceUid[] = [];
  const room = createRoom(judged, spec);
  const limit = rateLimit(spec.pace, status, nowMs);
  const left = limit.left - retryCount;
  for (const one of open) {
    const { uid } = one.agent.view;
    const isBusy = peers.isUnsettled || peers.waved.has(uid) || isBusyElsewhere(one, peers.others, nowMs);
    if (isBusy || !room.hasDomain(one)) held.add(uid);
    else if (admitted.length < Math.min(left, MAX_WAVE - retryCount) && room.has(one)) {
      admitted.push(uid);
      room.take(one);
    }
  }
  const moreAtMs = admitted.length === left ? limit.moreAtMs : null;
  return { admitted, held, moreAtMs: peers.isUnsettled ? nowMs + UNSETTLED_MS : moreAtMs };
}

/**
 * Chooses the agents that are relieved next, beside those of the wave: reverse order, faster, and no more at once than the
 * domains bear. Who is not well with what it had before holds nobody up: waiting would not make it better.
 */
export function relieve(
  judged: readonly Judged[],
  spec: RolloutSpec,
  wave: readonly WaveEntry[],
  { dispatches }: Pick<RolloutStatus, "dispatches">,
  nowMs: number,
): readonly InstanceUid[] {
  const waved = new Set(wave.map(({ uid }) => uid));
  const isMoving = ({ agent, state }: Judged): boolean =>
    waved.has(agent.view.uid) ||
    (isConnected(agent.view) && (state === "rollback_offered" || state === "restore_offered"));
  const { maxUnavailablePerDomain } = spec.pace;
  const moving = judged.filter(isMoving);
  let left = Math.min(backRoom(spec, moving.length), backRate(spec.pace, dispatches, nowMs));
  const perDomain = countBy(moving, ({ domain }) => domain);
  const perStage = countBy(moving, ({ stage }) => stage);
  const chosen: InstanceUid[] = [];
  const waiting = judged.filter((one) => one.isDispatched && one.failure === null && !isMoving(one));
  for (const one of waiting.sort((a, b) => byTurn(b, a))) {
    if (left <= 0) break;
    const isMissing = isUnavailable(one) || !isConnected(one.agent.view);
    const inDomain = perDomain.get(one.domain) ?? 0;
    // Who is missing already, because of what is taken from it, is not missing more for it.
    if (!isMissing && maxUnavailablePerDomain !== null && inDomain >= maxUnavailablePerDomain) continue;
    const inStage = perStage.get(one.stage) ?? 0;
    const ofStage = spec.stages[one.stage ?? -1]?.maxInFlight ?? null;
    if (ofStage !== null && inStage >= ofStage * ROLLBACK_SPEEDUP) continue;
    chosen.push(one.agent.view.uid);
    left -= 1;
    perDomain.set(one.domain, inDomain + 1);
    perStage.set(one.stage, inStage + 1);
  }
  return chosen;
}

/** How many more may be on their way back at once. */
function backRoom({ pace }: RolloutSpec, movingCount: number): number {
  return (pace.maxInFlight === null ? MAX_WAVE : pace.maxInFlight * ROLLBACK_SPEEDUP) - movingCount;
}

/** How many more may be relieved in this minute. A ramp was climbed on the way there: the way back begins at its top. */
function backRate({ maxPerMinute, ramp }: Pace, dispatches: RolloutStatus["dispatches"], nowMs: number): number {
  if (maxPerMinute === null) return Number.POSITIVE_INFINITY;
  return (
    Math.max(maxPerMinute, ramp?.maxPerMinute ?? 0) * ROLLBACK_SPEEDUP - usedIn(recentDispatches(dispatches, nowMs))
  );
}

/** Agents whose next try is due and that no wave names yet, as many as may be assigned now: a try is an assignment too. */
export function dueRetries(
  before: readonly WaveEntry[],
  judged: readonly Judged[],
  { pace }: RolloutSpec,
  status: RolloutStatus,
  nowMs: number,
): readonly WaveEntry[] {
  const due = judged.flatMap(({ agent, retry }) =>
    retry !== undefined && nowMs >= retry.dueAtMs ? [{ uid: agent.view.uid, tries: retry.tries }] : [],
  );
  return entriesBeyond(before, due).slice(0, Math.min(MAX_WAVE, rateLimit(pace, status, nowMs).left));
}

/** The wave as it stands: those of before that wait for a worker still, and those that are added now. */
export function nextWave(
  before: readonly WaveEntry[],
  judged: readonly Judged[],
  news: readonly WaveEntry[],
): readonly WaveEntry[] {
  const judgedOf = new Map(judged.map((one) => [one.agent.view.uid, one]));
  const waiting = before.filter(({ uid, tries }) => {
    const one = judgedOf.get(uid);
    return one !== undefined && isWaiting(one, tries);
  });
  return [...waiting, ...entriesBeyond(waiting, news)];
}

/** Entries of a wave that another does not have: other agents, and later tries. */
export function entriesBeyond(before: readonly WaveEntry[], wave: readonly WaveEntry[]): readonly WaveEntry[] {
  const known = new Set(before.map(({ uid, tries }) => `${uid} ${tries}`));
  return wave.filter(({ uid, tries }) => !known.has(`${uid} ${tries}`));
}

function isWaiting({ agent, isDispatched, stage, failure, state }: Judged, tries: number): boolean {
  if (failure !== null || stage === null || state === "incapable" || !isConnected(agent.view)) return false;
  return !isDispatched || (agent.desired?.tries ?? 1) < tries;
}

/** Places that are left, over all and per stage and domain. */
function createRoom(judged: readonly Judged[], spec: RolloutSpec) {
  const { maxInFlight, maxUnavailablePerDomain } = spec.pace;
  const onTheirWay = judged.filter(isOnItsWay);
  let total = onTheirWay.length;
  const perStage = countBy(onTheirWay, ({ stage }) => stage);
  const perDomain = countBy(judged.filter(isUnavailable), ({ domain }) => domain);
  return {
    hasDomain: ({ domain }: Judged): boolean =>
      maxUnavailablePerDomain === null || (perDomain.get(domain) ?? 0) < maxUnavailablePerDomain,
    has({ stage }: Judged): boolean {
      const ofStage = spec.stages[stage ?? 0]?.maxInFlight ?? null;
      return (
        (maxInFlight === null || total < maxInFlight) && (ofStage === null || (perStage.get(stage) ?? 0) < ofStage)
      );
    },
    take({ stage, domain }: Judged): void {
      total += 1;
      perStage.set(stage, (perStage.get(stage) ?? 0) + 1);
      perDomain.set(domain, (perDomain.get(domain) ?? 0) + 1);
    },
  };
}

function countBy<Key>(judged: readonly Judged[], keyOf: (one: Judged) => Key): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const one of judged) counts.set(keyOf(one), (counts.get(keyOf(one)) ?? 0) + 1);
  return counts;
}

/** How many more may be assigned in this minute, and when that grows. */
function rateLimit(pace: Pace, { dispatches, counts }: RolloutStatus, nowMs: number) {
  const rate = ratePerMinute(pace, counts.verified);
  if (rate === null) return { left: Number.POSITIVE_INFINITY, moreAtMs: null };
  const recent = recentDispatches(dispatches, nowMs);
  const [oldest] = recent;
  return {
    left: Math.max(0, rate - usedIn(recent)),
    moreAtMs: oldest === undefined ? nowMs + MINUTE_MS : oldest[0] + MINUTE_MS,
  };
}

function usedIn(dispatches: RolloutStatus["dispatches"]): number {
  return dispatches.reduce((sum, [, count]) => sum + count, 0);
}

/** The assignments of the last minute, and while a rollout is taken back, whom it was taken from. */
export function recentDispatches(dispatches: RolloutStatus["dispatches"], nowMs: number): RolloutStatus["dispatches"] {
  return dispatches.filter(([atMs]) => atMs > nowMs - MINUTE_MS);
}

/** Earlier stages first, and within one by its order. */
function byTurn(a: Judged, b: Judged): number {
  const byStage = (a.stage ?? 0) - (b.stage ?? 0);
  if (byStage !== 0) return byStage;
  return a.rank < b.rank ? -1 : 1;
}
