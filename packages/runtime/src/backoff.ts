// How long to wait before trying again: exponential with jitter. A pure schedule; the caller waits and supplies the
// dice, so that a thousand clients that lost the same server do not come back in step.

/** Shape of a schedule. */
export interface BackoffPolicy {
  /** Longest first delay, in milliseconds; more than 0. */
  readonly baseMs: number;
  /** No delay is longer. */
  readonly maxMs: number;
  /** Each attempt's limit is this many times the last; default 2. */
  readonly factor?: number;
  /** Share of a delay that is drawn by lot, 0 (none) to 1 (all of it); default 0.5. */
  readonly jitter?: number;
}

/**
 * Delay before retry number `attempt` (0 = the first). `random` is 0 ≤ n < 1.
 *
 * With base 100, max 1000, factor 2, jitter 0.5: attempt 0 waits 50 to 100 ms, attempt 1 waits 100 to 200,
 * attempt 3 waits 400 to 800, attempt 4 and later 500 to 1000.
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: number): number {
  const { baseMs, maxMs, factor = 2, jitter = 0.5 } = policy;
  const limitMs = Math.min(maxMs, baseMs * factor ** attempt);
  return Math.round(limitMs * (1 - jitter * random));
}

/** Counts attempts for one thing that is being retried. */
export interface Backoff {
  /** The delay before the next attempt, longer each time. */
  nextMs(): number;
  /** Back to the first delay; call after success. */
  reset(): void;
}

/** A counter over `backoffMs`; `random` is usually `clock.random`. */
export function createBackoff(policy: BackoffPolicy, random: () => number): Backoff {
  let attempt = 0;
  return {
    nextMs: () => backoffMs(policy, attempt++, random()),
    reset: () => {
      attempt = 0;
    },
  };
}
