// A check that a test left nothing open: sockets, servers, timers and child processes that still hold the event
// loop. Take a mark before, ask afterwards. Pipes to the test runner itself are there before and after alike.

import { until } from "./until.ts";

/** A mark of what was open; ask it later. */
export interface LeakCheck {
  /** Resolves when nothing more is open than at the mark; rejects naming the leftovers after `timeoutMs` (1000). */
  assertNone(options?: { readonly timeoutMs?: number }): Promise<void>;
}

/** Marks what holds the event loop now. Use in `beforeEach`, and `await check.assertNone()` in `afterEach`. */
export function trackLeaks(): LeakCheck {
  const before = countByKind();
  return {
    async assertNone({ timeoutMs = 1000 } = {}) {
      let extra: string[] = [];
      await until(
        () => {
          extra = leftovers(before, countByKind());
          return extra.length === 0;
        },
        { timeoutMs },
      ).catch((error) => {
        throw new Error(`left open: ${extra.join(", ")}`, { cause: error });
      });
    },
  };
}

/** What `after` has more of than `before`, as `2 × TCPSocketWrap`. */
export function leftovers(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] {
  const extra: string[] = [];
  for (const [kind, count] of after) {
    const more = count - (before.get(kind) ?? 0);
    if (more > 0) extra.push(`${more} × ${kind}`);
  }
  return extra;
}

/** Short-lived work that comes and goes by itself and is nobody's leak. */
const transient: ReadonlySet<string> = new Set([
  "FSReqCallback",
  "FSReqPromise",
  "CloseReq",
  "Immediate",
  "TickObject",
]);

function countByKind(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!transient.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
