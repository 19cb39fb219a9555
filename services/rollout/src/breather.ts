// Keeps passes over one rollout from following each other without a break: reports of a large fleet ask for passes all the
// time, each reads the whole cohort, and in between assignments and other rollouts want their turn. Pure but for its memory.

/** Remembers what passes took. Times in milliseconds. */
export interface Breather<Id> {
  /** When the next pass over it may begin; in the past when at once. */
  nextAtMs(id: Id): number;
  /** A pass ended. */
  noteEnd(id: Id, startedAtMs: number, endedAtMs: number): void;
}

/** A break lasts this many times as long as the pass before it: passes take a third of the time at most. */
const BREAK_FACTOR = 2;
/** A failed agent waits for the next pass to be made safe. */
const MAX_BREAK_MS = 5_000;
/** Rollouts that are remembered. */
const MAX_REMEMBERED = 1_000;

/** Nothing is remembered yet. */
export function createBreather<Id>(): Breather<Id> {
  const next = new Map<Id, number>();
  return {
    nextAtMs: (id) => next.get(id) ?? 0,
    noteEnd(id, startedAtMs, endedAtMs) {
      if (next.size >= MAX_REMEMBERED) next.clear();
      next.set(id, endedAtMs + Math.min(MAX_BREAK_MS, BREAK_FACTOR * (endedAtMs - startedAtMs)));
    },
  };
}
