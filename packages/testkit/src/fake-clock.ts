// A clock that moves only when told, with a seeded random. Fits the runtime's `Clock` by shape; imports nothing.
// One instance per test.

/** Manual time. The first three members are what production code sees. */
export interface FakeClock {
  /** The time now, epoch milliseconds. */
  nowMs(): number;
  /** Resolves once time has been moved by `ms`, or at once when `signal` aborts; never rejects. */
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** The next number of a repeatable sequence, 0 ≤ n < 1. */
  random(): number;
  /** Moves time forward, firing due delays in order and letting what they wake run in between. */
  advance(ms: number): Promise<void>;
  /** How many delays are waiting. */
  pendingCount(): number;
}

/** Where a fake clock starts. */
export interface FakeClockOptions {
  /** First value of `nowMs`; default 1_000_000. */
  readonly startMs?: number;
  /** Seed of `random`; the same seed gives the same sequence. Default 1. */
  readonly seed?: number;
}

/** A fake clock that stands still until `advance`. */
export function createFakeClock({ startMs = 1_000_000, seed = 1 }: FakeClockOptions = {}): FakeClock {
  let nowMs = startMs;
  const waiting = new Set<{ readonly dueAtMs: number; readonly wake: () => void }>();

  const nextDue = (limitMs: number) => {
    let first: { readonly dueAtMs: number; readonly wake: () => void } | undefined;
    for (const entry of waiting) {
      if (entry.dueAtMs <= limitMs && (first === undefined || entry.dueAtMs < first.dueAtMs)) first = entry;
    }
    return first;
  };

  return {
    nowMs: () => nowMs,
    random: seededRandom(seed),
    pendingCount: () => waiting.size,
    delay(ms, signal) {
      if (signal.aborted || ms <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const entry = { dueAtMs: nowMs + ms, wake };
        function wake() {
          waiting.delete(entry);
          signal.removeEventListener("abort", wake);
          resolve();
        }
        waiting.add(entry);
        signal.addEventListener("abort", wake, { once: true });
      });
    },
    async advance(ms) {
      const targetMs = nowMs + ms;
      await settle();
      for (let due = nextDue(targetMs); due !== undefined; due = nextDue(targetMs)) {
        nowMs = due.dueAtMs;
        due.wake();
        await settle();
      }
      nowMs = targetMs;
    },
  };
}

/** Lets promises that are already resolved run their continuations, several hops deep. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Mulberry32: small, fast and good enough for tests. Never for secrets. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
