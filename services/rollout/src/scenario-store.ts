// The store as the workers of a scenario see it: real, but for agents that are deleted, hints that are noted, and the time of
// a loss, which the world keeps. Used by specs only.

import type { InstanceUid } from "@muster/fleet";
import { isRedisAway, type Store } from "@muster/store";
import { until } from "@muster/testkit";

/** What a world knows beside. */
export interface StoreWatcher {
  isDeleted(uid: InstanceUid): boolean;
  /** A gateway was hinted at what is desired of an agent. */
  onHint(uid: InstanceUid): void;
  /** When the fleet state was lost, by the clock of the world. */
  lostAtMs(): number;
}

/** A store that a world looks on. */
export function watchedStore(opened: Store, { isDeleted, onHint, lostAtMs }: StoreWatcher): Store {
  const { agents, cohorts, gateways, rollouts } = opened;
  return {
    ...opened,
    // Nothing deletes agents yet; what does will leave no view.
    agents: { ...agents, load: (uids) => agents.load(uids.filter((uid) => !isDeleted(uid))) },
    cohorts: {
      ...cohorts,
      load: async (spec) => (await cohorts.load(spec)).filter(({ view }) => !isDeleted(view.uid)),
    },
    gateways: {
      ...gateways,
      async hint(to, hint) {
        await gateways.hint(to, hint);
        if (hint.kind === "desired") hint.uids.forEach(onHint);
      },
    },
    // The store tells it by the clock of this machine.
    rollouts: { ...rollouts, fleetLostAtMs: async () => ((await rollouts.fleetLostAtMs()) === 0 ? 0 : lostAtMs()) },
  };
}

/** Waits until a store has its connections again. */
export async function untilBack(store: Store): Promise<void> {
  await until(async () => {
    try {
      await Promise.all([store.rollouts.active(), store.desired.assignedVersion(0)]);
      return true;
    } catch (error) {
      if (isRedisAway(error)) return false;
      throw error;
    }
  });
}
