// The changes of the fleet, followed once per process and fanned out to any number of watches. Each subscription
// gathers the uids that changed since it last looked: a slow watch has a larger set, never a longer queue.
// Not a log: what changed *in* an agent is read from its record.

import type { InstanceUid } from "@muster/fleet";
import type { Changes, Position } from "@muster/store";
import { createLatch } from "./latch.ts";

/** What feeds the feed. */
export interface FeedDeps {
  readonly changes: Changes;
  delay(ms: number, signal: AbortSignal): Promise<void>;
  onError(error: Error): void;
}

/** One watch's part of the feed. */
export interface Subscription {
  /** Everything up to here is either in the records already or in a later `take`. */
  readonly position: Position;
  /** Empties the gathered set; `position` is where its changes end. `hasGap`: some were lost since it was taken. */
  take(): { readonly uids: ReadonlySet<InstanceUid>; readonly position: Position; readonly hasGap: boolean };
  /** Resolves when there is something to take, after `ms`, or when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The shared feed. */
export interface ChangeFeed {
  subscribe(): Subscription;
}

interface Gathered {
  uids: Set<InstanceUid>;
  hasGap: boolean;
  wake(): void;
}

const RETRY_MS = 1_000;
/** How often it is looked whether everything since the last time is still kept. */
const CHECK_MS = 5_000;

/** Starts following; `ended` resolves after `signal` aborted. */
export async function openChangeFeed(
  { changes, delay, onError }: FeedDeps,
  signal: AbortSignal,
): Promise<ChangeFeed & { readonly ended: Promise<void> }> {
  let position = await changes.end();
  const subscribers = new Set<Gathered>();
  const onChange = (uids: ReadonlySet<InstanceUid>, at: Position) => {
    position = at;
    for (const subscriber of subscribers) {
      for (const uid of uids) subscriber.uids.add(uid);
      subscriber.wake();
    }
  };
  async function follow(): Promise<void> {
    while (!signal.aborted) {
      try {
        await changes.follow(position, onChange, signal);
      } catch (error) {
        onError(error instanceof Error ? error : new Error(String(error)));
        await delay(RETRY_MS, signal);
      }
    }
  }
  /** After a Redis that was away for long, or lost the fleet state, changes are missing that nobody is told of: then all start afresh. */
  async function check(): Promise<void> {
    let seen = position;
    while (!signal.aborted) {
      await delay(CHECK_MS, signal);
      if (signal.aborted) return;
      try {
        const isKept = await changes.isKept(seen);
        seen = await changes.end();
        for (const subscriber of isKept ? [] : subscribers) {
          subscriber.hasGap = true;
          subscriber.wake();
        }
      } catch (error) {
        onError(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }
  return {
    ended: Promise.all([follow(), check()]).then(() => undefined),
    subscribe() {
      const latch = createLatch();
      const gathered: Gathered = { uids: new Set(), hasGap: false, wake: latch.wake };
      subscribers.add(gathered);
      return {
        position,
        take() {
          const { uids } = gathered;
          gathered.uids = new Set();
          return { uids, position, hasGap: gathered.hasGap };
        },
        wait: latch.wait,
        close: () => subscribers.delete(gathered),
      };
    },
  };
}

/** How long the changes between two positions may take to read. */
const CATCH_UP_MS = 10_000;

/** The agents that changed between two positions; undefined when that cannot be told any more. */
export async function changedBetween(
  changes: Pick<Changes, "follow">,
  from: Position,
  to: Position,
  signal: AbortSignal,
): Promise<ReadonlySet<InstanceUid> | undefined> {
  const changed = new Set<InstanceUid>();
  if (reaches(from, to)) return changed;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), CATCH_UP_MS);
  let isComplete = false;
  const onChange = (uids: ReadonlySet<InstanceUid>, at: Position) => {
    for (const uid of uids) changed.add(uid);
    if (!reaches(at, to)) return;
    isComplete = true;
    stop.abort();
  };
  await changes.follow(from, onChange, AbortSignal.any([signal, stop.signal]));
  clearTimeout(timer);
  return isComplete ? changed : undefined;
}

/** Whether `at` is nowhere before `to`. */
function reaches(at: Position, to: Position): boolean {
  return to.every((id, partition) => compareIds(at[partition] ?? "0-0", id) >= 0);
}

/** Stream ids are `<ms>-<n>`, compared as numbers. */
function compareIds(a: string, b: string): number {
  const [aMs = "0", aN = "0"] = a.split("-");
  const [bMs = "0", bN = "0"] = b.split("-");
  return Number(BigInt(aMs) - BigInt(bMs)) || Number(BigInt(aN) - BigInt(bN));
}
