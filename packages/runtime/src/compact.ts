// Gives memory back after a burst. V8 collects garbage when it needs room, so a process that a storm of agents swelled and
// that has little to do from then on keeps what the storm left, several times what it holds. When it is quiet, it is told
// to collect once. For services that know storms: others lose more by a pause now and then than they gain.

import { performance } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What the decision rests on. */
export interface HeapReading {
  /** Heap that is kept from the system, garbage and room included. */
  readonly keptBytes: number;
  /** The same right after the last collection; 0 before the first. */
  readonly keptAfterBytes: number;
  /** Share of the time since the last reading that the event loop was busy, 0 to 1. */
  readonly utilization: number;
}

/** So much more than after the last collection, and so many times as much, is worth a pause of some tens of milliseconds. */
const WORTHWHILE_BYTES = 12 * 1024 * 1024;
const WORTHWHILE_GROWTH = 1.25;
/** A process that is busier than this has no time for it, and collects by itself. */
const QUIET_UTILIZATION = 0.15;
const LOOK_MS = 5_000;

/** Whether it is worth it, and disturbs nobody. */
export function mayCompact({ keptBytes, keptAfterBytes, utilization }: HeapReading): boolean {
  const isWorthwhile = keptBytes - keptAfterBytes > WORTHWHILE_BYTES && keptBytes > WORTHWHILE_GROWTH * keptAfterBytes;
  return isWorthwhile && utilization < QUIET_UTILIZATION;
}

/** Looks from time to time until it is stopped; does not hold the process open. */
export function startCompacting(): { stop(): void } {
  const collect = collector();
  let keptAfterBytes = 0;
  let last = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    if (!mayCompact({ keptBytes: getHeapStatistics().total_heap_size, keptAfterBytes, utilization })) return;
    collect();
    keptAfterBytes = getHeapStatistics().total_heap_size;
  };
  const timer = setInterval(look, LOOK_MS).unref(); // nothing is lost when the process ends first
  return { stop: () => clearInterval(timer) };
}

/** V8's own collector, which is there for the asking without a flag on the command line. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  return () => {
    if (typeof gc === "function") gc({ type: "major", execution: "sync", flavor: "last-resort" });
  };
}
