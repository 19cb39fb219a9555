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

/** Adds the attempt that an offer opened. The same offer twice is one attempt. */
export function applyOffer(attempts: readonly Attempt[], offer: AgentConfigOffered): readonly Attempt[] {
  const isKnown = attempts.some((a) => a.epoch === offer.epoch && a.n === offer.n);
  if (isKnown) return attempts;
  const number = 1 + attempts.filter((a) => a.hash === offer.hash).length;
  const { epoch, n, hash, atMs } = offer;
  const attempt: Attempt = { epoch, n, hash, number, offeredAtMs: atMs, answer: null };
  return [...attempts, attempt].sort((a, b) => a.epoch - b.epoch || a.n - b.n).slice(-MAX_ATTEMPTS);
}

/** Records what the agent said of a hash in its newest attempt. An older word changes nothing. */
export function applyAcknowledgement(attempts: readonly Attempt[], ack: AgentConfigAcknowledged): readonly Attempt[] {
  const index = attempts.findLastIndex((a) => a.hash === ack.hash && isNewer(ack, a));
  const attempt = attempts[index];
  if (attempt === undefined || !isNewer(ack, attempt.answer)) return attempts;
  const { epoch, n, state, error, atMs } = ack;
  return attempts.with(index, { ...attempt, answer: { epoch, n, state, error, atMs } });
}

/** The newest attempt with this hash, or null. */
export function latestAttempt(attempts: readonly Attempt[], hash: ConfigHash): Attempt | null {
  return attempts.findLast((a) => a.hash === hash) ?? null;
}
