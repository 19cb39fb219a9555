// Keeps passes over one rollout from following each other without a break: reports of a large fleet ask for passes all the
// time, each reads the whole cohort, and in between assignments and other rollouts want their turn. Pure but for its memory.

/** Remembers what passes took. Times in milliseconds. */
export interface Breather<Id> {
  /** A pass wants to begin. Answers when to come again, or null when it may begin now. */
  begin(id: Id, nowMs: number, isBusy: boolean): number | null;
  /** The pass that began ended. */
  end(id: Id, nowMs: number): void;
}

/** A break lasts this many times as long as the pass before it: passes take a third of the time at most. */
const BREAK_FACTOR = 2;
/** A failed agent waits for the next pass to be made safe. */
const MAX_BREAK_MS = 5_000;
/** How soon to ask again while there is other work, and how long that may keep a pass waiting. */
const ASK_AGAIN_MS = 200;
const MAX_WAIT_MS = 3_000;
/** Rollouts that are remembered. */
const MAX_REMEMBERED = 1_000;

interface Turn {
  /** When the pass that is under way began; null when none is. */
  readonly begunAtMs: number | null;
  readonly nextAtMs: number;
}

/** Nothing is remembered yet. */
export function createBreather<Id>(): Breather<Id> {
  const turns = new Map<Id, Turn>();
  return {
    begin(id, nowMs, isBusy) {
      const { begunAtMs = null, nextAtMs = 0 } = turns.get(id) ?? {};
      if (begunAtMs !== null) return nowMs + ASK_AGAIN_MS;
      if (nowMs < nextAtMs) return nextAtMs;
      if (isBusy && nowMs < nextAtMs + MAX_WAIT_MS) return nowMs + ASK_AGAIN_MS;
      if (turns.size >= MAX_REMEMBERED) forgetIdle(turns);
      turns.set(id, { begunAtMs: nowMs, nextAtMs });
      return null;
    },
    end(id, nowMs) {
      const tookMs = nowMs - (turns.get(id)?.begunAtMs ?? nowMs);
      turns.set(id, { begunAtMs: null, nextAtMs: nowMs + Math.min(MAX_BREAK_MS, BREAK_FACTOR * tookMs) });
    },
  };
}

function forgetIdle<Id>(turns: Map<Id, Turn>): void {
  for (const [id, { begunAtMs }] of turns) if (begunAtMs === null) turns.delete(id);
}
