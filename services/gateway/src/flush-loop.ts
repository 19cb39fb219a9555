// When what waits in the outbox is written: a moment after something begins to wait, and later while a crowd of agents is
// being offered something.

import type { Clock } from "@muster/runtime";
import type { Outbox } from "./outbox.ts";
import type { Presence } from "./presence.ts";

/** What it needs. */
export interface FlushDeps {
  readonly outbox: Pick<Outbox, "filled" | "flushAll">;
  readonly presence: Pick<Presence, "isBroadcasting">;
  /** How long changes are gathered. */
  readonly flushMs: number;
  readonly clock: Pick<Clock, "nowMs" | "delay">;
}

/** After a flush that failed: the store is away, and asking in every tick would not bring it back. */
export const FLUSH_RETRY_MS = 250;
/**
 * While a crowd is being offered something, what the first of them answer waits for so long at most: each answers several
 * times within moments, which makes one write then, and the last of them is not kept waiting by the writes of the first.
 */
export const MAX_HOLD_MS = 2_000;

/** Writes until the signal aborts. */
export async function flushLoop({ outbox, presence, flushMs, clock }: FlushDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // Nothing is asked of a gateway whose agents only heartbeat: not even to look whether something waits.
    await outbox.filled(signal);
    const lastMs = clock.nowMs() + MAX_HOLD_MS;
    do await clock.delay(flushMs, signal);
    while (presence.isBroadcasting() && clock.nowMs() < lastMs && !signal.aborted);
    const isWritten = await outbox.flushAll();
    if (!isWritten) await clock.delay(FLUSH_RETRY_MS, signal);
  }
}
