// Errors that come in floods, such as those of a connection that tries again and again: the first is logged at once,
// then at most one every few seconds, each with how many like it were left out.

import { field } from "./fields.ts";
import type { Logger } from "./log.ts";

const QUIET_MS = 5_000;

/** Answers a function that logs errors under `event`, level warn, no more often than every five seconds per message. */
export function createErrorLog(log: Logger, event: string, nowMs: () => number = Date.now): (error: unknown) => void {
  const seen = new Map<string, { untilMs: number; leftOut: number }>();
  return (error) => {
    const message = error instanceof Error ? error.message : String(error);
    const before = seen.get(message);
    if (before !== undefined && nowMs() < before.untilMs) {
      before.leftOut += 1;
      return;
    }
    // Messages may hold ids; a flood of different ones must not grow the map for ever.
    if (seen.size > 100) seen.clear();
    seen.set(message, { untilMs: nowMs() + QUIET_MS, leftOut: 0 });
    log.warn(event, { [field.error]: error, left_out: before?.leftOut ?? 0 });
  };
}
