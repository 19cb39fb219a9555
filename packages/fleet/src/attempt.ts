// The ledger of attempts: one record per (agent, config hash, try). Status is a history, not a field: an agent
// that went back by itself reports FAILED(new) and then APPLIED(old), and only the ledger still knows both.
// Pure; folded by agent.ts, read by rollouts and by operators.

import { type AckState, type AgentConfigAcknowledged, type AgentConfigOffered, type Fence, isNewer } from "./event.ts";
import type { ConfigHash } from "./ids.ts";

/** One try to bring one config to one agent. */
export interface Attempt extends Fence {
  readonly hash: ConfigHash;
  /** Counts the tries of this hash for this agent, from 1. */
  readonly number: number;
  readonly offeredAtMs: number;
  /** What the agent last said of this hash since the offer; null while it is silent. */
  readonly answer: (Fence & { readonly state: AckState; readonly error: string; readonly atMs: number }) | null;
}

/** How many attempts an agent's record keeps; the oldest go first. */
export const MAX_ATTEMPTS = 10;

/**
 * Adds the attempt that an offer opened. The same offer twice is one attempt, and so is an offer that is repeated
 * because no answer came: silence is counted from the first.
 */
export function applyOffer(attempts: readonly Attempt[], offer: AgentConfigOffered): readonly Attempt[] {
  const { epoch, n, hash, atMs } = offer;
  if (attempts.some((a) => a.epoch === epoch && a.n === n)) return attempts;
  const index = attempts.findLastIndex((a) => a.hash === hash);
  const last = attempts[index];
  if (last !== undefined && isAnswerOf(last, offer))
    return attempts.with(index, { ...last, epoch, n, offeredAtMs: atMs });
  return append(attempts, { epoch, n, hash, number: (last?.number ?? 0) + 1, offeredAtMs: atMs, answer: null });
}

/**
 * Records what the agent said of a hash in its newest attempt. An older word changes nothing. A failure of which no
 * offer is known yet opens an attempt of its own: it must not be forgotten when the offer is heard of late.
 */
export function applyAcknowledgement(attempts: readonly Attempt[], ack: AgentConfigAcknowledged): readonly Attempt[] {
  const { epoch, n, hash, state, error, atMs } = ack;
  const answer = { epoch, n, state, error, atMs };
  const index = attempts.findLastIndex((a) => a.hash === hash && !isNewer(a, ack));
  const attempt = attempts[index];
  if (attempt !== undefined)
    return isNewer(ack, attempt.answer) ? attempts.with(index, { ...attempt, answer }) : attempts;
  const isKnown = attempts.some((a) => a.hash === hash);
  if (state !== "failed" || isKnown) return attempts;
  return append(attempts, { epoch, n, hash, number: 1, offeredAtMs: atMs, answer });
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
  if (before === undefined || before.hash !== attempt.hash || before.answer !== null) return [...merged, attempt];
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
