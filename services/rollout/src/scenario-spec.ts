// What scenario specs share: a Redis per file, emptied before each test, the worlds that a test opens, and fleets and
// rollouts that come up again and again. Used by specs only.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import { DEFAULT_STAGE, type FailureBudget, type InstanceUid, type RolloutSpec, type Stage } from "@muster/fleet";
import { aHash, aUid, type ModelAgent, type ModelTraits, type Reaction } from "@muster/fleet/builders";
import { type RedisServer, startRedis, trackLeaks } from "@muster/testkit";
import { MINUTE } from "./scenario-ids.ts";
import { ScenarioWorld, type WorldOptions } from "./scenario-world.ts";

/** The revision that everybody has before the scenario begins, and the one that it is about. */
export const OLD = aHash("2");
export const NEW = aHash("3");

/** Failures stop nothing. */
export const NO_BUDGET: FailureBudget = { criteria: [], onBreach: "pause" };

/** Stages by percent that bear any failure. */
export function tolerant(...percents: readonly number[]): readonly Stage[] {
  return percents.map((percent) => ({
    ...DEFAULT_STAGE,
    size: { kind: "percent", percent },
    bakeMs: 0,
    successMinPercent: 0,
  }));
}

/** Agents with the uids from `aUid(1)` on; `traitsOf` says what is special about the n-th. */
export function aFleet(
  size: number,
  traitsOf: (n: number) => Partial<ModelTraits> = () => ({}),
): readonly ModelTraits[] {
  return Array.from({ length: size }, (_, i) => ({ uid: aUid(i + 1), ...traitsOf(i + 1) }));
}

/** An agent that reacts in a way to the new revision, and well to everything else. */
export function reacts(reaction: Reaction): Pick<ModelTraits, "react"> {
  return { react: (hash) => (hash === NEW ? reaction : "good") };
}

/** Opens worlds for the tests of a describe. */
export function useWorlds(redis: { readonly args?: readonly string[] } = {}) {
  const mark = trackLeaks();
  const worlds: ScenarioWorld[] = [];
  let server: RedisServer | null = null;
  const started = (): RedisServer => server ?? assert.fail("the server starts before the first test, not earlier");
  before(async () => {
    server = await startRedis(redis);
  });
  beforeEach(() => started().restart());
  afterEach(() => {
    for (const world of worlds.splice(0)) {
      assertNoneRepeated(world);
      world.close();
    }
  });
  after(async () => {
    await started().stop();
    await mark.assertNone({ timeoutMs: 5_000 });
  });
  const open = async (agents: readonly ModelTraits[], options: Partial<WorldOptions> = {}): Promise<ScenarioWorld> => {
    const world = await ScenarioWorld.open({ redisUrl: started().url, ...options }, agents);
    worlds.push(world);
    return world;
  };
  return {
    get server() {
      return started();
    },
    open,
    /** A world in which everybody runs `OLD`, and rollout 2 is to bring `NEW`. */
    async openStable(agents: readonly ModelTraits[], options: Partial<WorldOptions> = {}): Promise<ScenarioWorld> {
      const world = await open(agents, options);
      await world.advanceTo(await world.start(1, { stages: tolerant(100), budget: NO_BUDGET }), "succeeded");
      await world.advance(10 * MINUTE);
      return world;
    },
  };
}

/** Nobody was offered again what it failed, unless an operator wanted it tried once more. */
function assertNoneRepeated({ agents, retried }: ScenarioWorld): void {
  for (const { uid, failures, offers } of agents.values()) {
    for (const { hash, atMs } of retried.has(uid) ? [] : failures) {
      const again = offers.find((offer) => offer.hash === hash && offer.atMs > atMs);
      assert.equal(again, undefined, `agent ${uid} was offered ${hash.slice(0, 4)} again, which it failed`);
    }
  }
}

/** Who runs what, by number: `{ old: [1, 2], new: [3], blank: [], none: [] }` without the empty ones. */
export function runningBy(world: ScenarioWorld): Readonly<Record<string, readonly number[]>> {
  const groups = Map.groupBy(world.agents.values(), nameOf);
  return Object.fromEntries(
    [...groups].map(([name, agents]) => [name, agents.map(({ uid }) => numberOf(uid)).sort(byNumber)]),
  );
}

function nameOf({ running }: ModelAgent): string {
  if (running === "") return "none";
  return running === OLD ? "old" : running === NEW ? "new" : "other";
}

const byNumber = (a: number, b: number): number => a - b;

/** The n of `aUid(n)`. */
export function numberOf(uid: InstanceUid): number {
  return Number.parseInt(uid.slice(-12), 16);
}

/** Overrides of a rollout that bears any failure. */
export function bearing(...percents: readonly number[]): Partial<RolloutSpec> {
  return { stages: tolerant(...percents), budget: NO_BUDGET };
}
