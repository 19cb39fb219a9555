// The ledger of attempts: one record per (agent, config hash, try). Status is a history, not a field: an agent
// that went back by itself reports FAILED(new) and then APPLIED(old), and only the ledger still knows both.
// Pure; folded by agent.ts, read by rollouts and by operators.

import {
  type AckState,
  type AgentConfigAcknowledged,
  type AgentConfigOffered,
  type Fence,
  type Health,
  isNewer,
} from "./event.ts";
import type { ConfigHash } from "./ids.ts";

/** One try to bring one config to one agent. */
export interface Attempt extends Fence {
  readonly hash: ConfigHash;
  /** Counts the tries of this hash for this agent, from 1. */
  readonly number: number;
  /** Which try of one assignment it is; absent: the first. A repeat of a try that may be lost is the same try. */
  readonly tries?: number;
  readonly offeredAtMs: number;
  /** How the agent was before the first offer of this hash; absent when that is not known. */
  readonly baseline?: Baseline;
  /** What the agent last said of this hash since the offer, and since when it says so; null while it is silent. */
  readonly answer: (Fence & { readonly state: AckState; readonly error: string; readonly atMs: number }) | null;
}

/** How an agent was before it was offered a config. */
export interface Baseline {
  readonly healthy: boolean;
  /** Parts that were not healthy, as paths of names; at most MAX_BASELINE_PARTS. */
  readonly unhealthy: readonly string[];
}

/** Unhealthy parts that a baseline names. */
const MAX_BASELINE_PARTS = 8;

/** What a health report says of an agent and its parts; undefined where there is none. */
export function baselineOf(health: Health | null): Baseline | undefined {
  if (health === null) return undefined;
  return { healthy: health.healthy, unhealthy: unhealthyParts(health).slice(0, MAX_BASELINE_PARTS) };
}

/** Paths of the parts that are not healthy, outermost first. */
export function unhealthyParts(health: Health, prefix = ""): readonly string[] {
  return health.components.flatMap(([name, part]) => {
    const path = `${prefix}${name}`;
    return [...(part.healthy ? [] : [path]), ...unhealthyParts(part, `${path}/`)];
  });
}

/** How many attempts an agent's record keeps; the oldest go first. */
export const MAX_ATTEMPTS = 10;

/**
 * Adds the attempt that an offer opened. The same offer twice is one attempt, and so is an offer that is repeated
 * because no answer came: silence is counted from the first.
 */
export function applyOffer(
  attempts: readonly Attempt[],
  offer: AgentConfigOffered,
  present: Baseline | undefined,
): readonly Attempt[] {
  const { epoch, n, hash, atMs, tries = 1 } = offer;
  if (attempts.some((a) => a.epoch === epoch && a.n === n)) return attempts;
  const index = attempts.findLastIndex((a) => a.hash === hash);
  const last = attempts[index];
  if (last !== undefined && isAnswerOf(last, offer))
    return attempts.with(index, { ...last, epoch, n, offeredAtMs: atMs });
  // Between two tries of one config an agent is not what it was before the first.
  const baseline = tries > 1 ? (last?.baseline ?? present) : present;
  const number = (last?.number ?? 0) + 1;
  const attempt = { epoch, n, hash, number, offeredAtMs: atMs, answer: null, ...(tries > 1 && { tries }) };
  return append(attempts, baseline === undefined ? attempt : { ...attempt, baseline });
}

/**
 * Records what the agent said of a hash in its newest attempt. An older word changes nothing. A failure of which no
 * offer is known yet opens an attempt of its own: it must not be forgotten when the offer is heard of late.
 */
export function applyAcknowledgement(attempts: readonly Attempt[], ack: AgentConfigAcknowledged): readonly Attempt[] {
  const { epoch, n, hash, state, error, atMs } = ack;
  const index = attempts.findLastIndex((a) => a.hash === hash && !isNewer(a, ack));
  const attempt = attempts[index];
  if (attempt !== undefined) {
    if (!isNewer(ack, attempt.answer)) return attempts;
    const isRepeat = attempt.answer?.state === state;
    const sinceMs = isRepeat ? attempt.answer.atMs : atMs;
    return attempts.with(index, { ...attempt, answer: { epoch, n, state, error, atMs: sinceMs } });
  }
  const isKnown = attempts.some((a) => a.hash === hash);
  if (state !== "failed" || isKnown) return attempts;
  return append(attempts, { epoch, n, hash, number: 1, offeredAtMs: atMs, answer: { epoch, n, state, error, atMs } });
}

/** Whether an attempt was opened by the answer to this very offer, which is heard of only now. */
function isAnswerOf(attempt: Attempt, offer: AgentConfigOffered): boolean {
  const { answer } = attempt;
  return answer !== null && answer.epoch === attempt.epoch && answer.n === attempt.n && isNewer(attempt, offer);
}

function append(attempts: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  const sorted = [...attempts, attempt].sort((a, b) => a.epoch - b.epoch || a.n - b.n);
  const merged = sorted.reduce<readonly Attempt[]>(mergeRepeat, []);
  // An offer that only repeats one that is known adds nothing.
  return merged.length === attempts.length && merged.every((a, i) => a === attempts[i])
    ? attempts
    : merged.slice(-MAX_ATTEMPTS);
}

/** Joins an offer to the one before it when that was of the same hash and found no answer, whichever is heard of first. */
function mergeRepeat(merged: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  const before = merged.at(-1);
  const isRepeat =
    before?.hash === attempt.hash && before.answer === null && (before.tries ?? 1) === (attempt.tries ?? 1);
  if (before === undefined || !isRepeat) return [...merged, attempt];
  return attempt.answer === null ? merged : [...merged.slice(0, -1), { ...before, answer: attempt.answer }];
}

/** The ledgers of one agent under two uids, as one. Of an attempt that both know, the one with the newer answer counts. */
export function joinAttempts(former: readonly Attempt[], latter: readonly Attempt[]): readonly Attempt[] {
  const joined = former.map((old) =>
    newerAnswer(
      old,
      latter.find((own) => isSameOffer(own, old)),
    ),
  );
  const news = latter.filter((own) => !former.some((old) => isSameOffer(own, old)));
  return [...joined, ...news].sort((a, b) => a.epoch - b.epoch || a.n - b.n).slice(-MAX_ATTEMPTS);
}

function isSameOffer(a: Fence, b: Fence): boolean {
  return a.epoch === b.epoch && a.n === b.n;
}

function newerAnswer(old: Attempt, own: Attempt | undefined): Attempt {
  if (own === undefined) return old;
  return old.answer !== null && isNewer(old.answer, own.answer) ? old : own;
}

/** The newest attempt with this hash, or null. */
export function latestAttempt(attempts: readonly Attempt[], hash: ConfigHash): Attempt | null {
  return attempts.findLast((a) => a.hash === hash) ?? null;
}
