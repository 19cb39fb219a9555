// Time and dice as a value, so that no decision reaches for the real ones. The only file besides the logger and the
// event-loop metrics that touches them. Tests use testkit's fake clock, which fits by shape.

/** Time and randomness, injected. */
export interface Clock {
  /** The time now, epoch milliseconds. May jump; compare instants, don't trust differences to the millisecond. */
  nowMs(): number;
  /**
   * Resolves after `ms`, or at once when `signal` is or becomes aborted; never rejects. So a loop reads
   * `while (!signal.aborted) { …; await clock.delay(1000, signal); }`.
   */
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** A number n, 0 ≤ n < 1. */
  random(): number;
}

/** The machine's own clock and dice. Its delays hold the process open until they resolve. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
  delay(ms, signal) {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake, { once: true });
    });
  },
};
