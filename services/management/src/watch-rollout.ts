// WatchRollout: the rollout now and after each change, newest state only, until it has ended. Hints say when to look;
// since they may be lost, a watch also looks by itself.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { isEnded, type RolloutId } from "@muster/fleet";
import type { WatchRolloutResponseSchema } from "@muster/protocol/muster/rollouts";
import type { Rollouts, StoredRollout } from "@muster/store";
import { createLatch, type Latch } from "./latch.ts";
import { toRollout } from "./translate-rollout.ts";

/** Hints that a rollout changed, received once per process and fanned out to its watches. */
export interface RolloutHints {
  /** `onHint` is called until the answer is. */
  listen(id: RolloutId, onHint: () => void): () => void;
}

/** Listens for hints until the signal aborts. */
export function openRolloutHints(rollouts: Pick<Rollouts, "watch">, signal: AbortSignal): RolloutHints {
  const listeners = new Map<RolloutId, Set<() => void>>();
  rollouts.watch((id) => {
    for (const onHint of listeners.get(id) ?? []) onHint();
  }, signal);
  return {
    listen(id, onHint) {
      const ofId = listeners.get(id) ?? new Set();
      listeners.set(id, ofId.add(onHint));
      return () => {
        ofId.delete(onHint);
        if (ofId.size === 0 && listeners.get(id) === ofId) listeners.delete(id);
      };
    },
  };
}

/** What a watch needs. */
export interface WatchRolloutDeps {
  readonly hints: RolloutHints;
  /** The rollout as it is stored now. @throws FleetError `not_found` */
  read(): Promise<StoredRollout>;
  readonly nowMs: () => number;
}

type Response = MessageInitShape<typeof WatchRolloutResponseSchema>;

/** A watch looks by itself at least this often. */
const LOOK_MS = 2_000;
/** A quiet watch says this often that it lives. */
const BOOKMARK_MS = 30_000;

/** One watch, until the rollout has ended or the signal aborts. */
export async function* watchRollout(
  deps: WatchRolloutDeps,
  id: RolloutId,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  const latch: Latch = createLatch();
  const stopListening = deps.hints.listen(id, latch.wake);
  try {
    let shown = "";
    let sentAtMs = deps.nowMs();
    while (!signal.aborted) {
      const stored = await deps.read();
      const seen = `${stored.spec.generation}.${stored.version}`;
      const isQuiet = deps.nowMs() - sentAtMs >= BOOKMARK_MS;
      if (seen !== shown) yield { event: { case: "rollout", value: toRollout(stored) } };
      else if (isQuiet) yield { event: { case: "bookmark", value: {} } };
      if (seen !== shown || isQuiet) sentAtMs = deps.nowMs();
      shown = seen;
      if (isEnded(stored.status.phase)) return;
      await latch.wait(LOOK_MS, signal);
    }
  } finally {
    stopListening();
  }
}
