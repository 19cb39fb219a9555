// How long a client waits before it tries to connect again, as opamp-go does it. Pure.

/** Shape of an exponential back-off. */
export interface Backoff {
  /** Nominal wait before the first repeated attempt, in milliseconds. */
  readonly initialMs: number;
  /** Growth per attempt. */
  readonly factor: number;
  /** Share by which a wait varies up and down, 0 to 1. */
  readonly jitter: number;
  /** Largest nominal wait in milliseconds; with jitter a wait may exceed it. */
  readonly maxMs: number;
}

/** 0.5 s growing by half to 60 s, each ±50 %: waits of 30 to 90 s when a server stays away. */
export const OPAMP_BACKOFF: Backoff = { initialMs: 500, factor: 1.5, jitter: 0.5, maxMs: 60_000 };

/**
 * The wait before repeated attempt number `attempt` (0 is the first after a failure), for a random number in
 * [0, 1). Examples with the defaults: attempt 0 waits 250 to 750 ms, attempt 3 844 to 2531 ms.
 */
export function backoffMs(backoff: Backoff, attempt: number, random: number): number {
  const nominalMs = Math.min(backoff.maxMs, backoff.initialMs * backoff.factor ** attempt);
  return nominalMs * (1 - backoff.jitter + 2 * backoff.jitter * random);
}

/** The same, for a server that may have said when to come again: the longer of the two counts, as in opamp-go. */
export function retryMs(backoff: Backoff, attempt: number, random: number, retryAfterMs: number | undefined): number {
  return Math.max(backoffMs(backoff, attempt, random), retryAfterMs ?? 0);
}

/** Reads a Retry-After header, seconds or a date, to milliseconds from `nowMs`; undefined when it says nothing. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : undefined;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
