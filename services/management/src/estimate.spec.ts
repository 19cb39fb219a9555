// How long rollouts take at least.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_PACE, type Pace, type RolloutSpec } from "@muster/fleet";
import { aRollout, aStage, stages } from "@muster/fleet/builders";
import { estimate, type StageLoad } from "./estimate.ts";

const MINUTE_MS = 60_000;
/** Five seconds to apply and as much to soak. */
const TURN_MS = 10_000;

function aSpec(pace: Partial<Pace> = {}, change: Partial<RolloutSpec> = {}): RolloutSpec {
  const timing = { ...aRollout([]).timing, soakMs: 5_000 };
  return aRollout(stages(100), { pace: { ...DEFAULT_PACE, ...pace }, timing, ...change });
}

const load = (newAgents: number, inLargestDomain = newAgents): StageLoad => ({ newAgents, inLargestDomain });
const gate = {
  kind: "metric",
  name: "errors",
  provider: "prometheus",
  query: "up",
  initialDelayMs: 20_000,
  intervalMs: 30_000,
  count: 3,
  success: { op: "<", value: 1 },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  errorLimit: 0,
  dryRun: false,
  compare: null,
} as const;

describe("estimate", () => {
  const ramp = { factor: 2, afterVerified: 10, maxPerMinute: 40 };
  const cases: readonly { name: string; spec: RolloutSpec; loads: readonly StageLoad[]; is: number }[] = [
    { name: "nobody takes no time", spec: aSpec(), loads: [load(0)], is: 0 },
    { name: "everybody at once takes a turn", spec: aSpec(), loads: [load(1_000)], is: TURN_MS },
    {
      name: "a limit in flight takes a turn for each lot",
      spec: aSpec({ maxInFlight: 4 }),
      loads: [load(9)],
      is: 3 * TURN_MS,
    },
    {
      name: "a limit of the stage counts, too",
      spec: aSpec({}, { stages: [aStage({ maxInFlight: 3 })] }),
      loads: [load(9)],
      is: 3 * TURN_MS,
    },
    {
      name: "a limit per domain takes as long as the largest",
      spec: aSpec({ domainKey: "zone", maxUnavailablePerDomain: 2 }),
      loads: [load(9, 5)],
      is: 3 * TURN_MS,
    },
    {
      name: "a rate lets a minute's worth go at once",
      spec: aSpec({ maxPerMinute: 60 }),
      loads: [load(90)],
      is: MINUTE_MS + TURN_MS,
    },
    {
      // 10, then 20, then 40 and 40.
      name: "a ramp grows with those that are verified, up to its limit",
      spec: aSpec({ maxPerMinute: 10, ramp }),
      loads: [load(110)],
      is: 3 * MINUTE_MS + TURN_MS,
    },
    {
      name: "a ramp was climbed by the stage before",
      spec: aSpec({ maxPerMinute: 10, ramp }, { stages: stages(20, 100) }),
      loads: [load(20), load(80)],
      is: MINUTE_MS + TURN_MS + MINUTE_MS + TURN_MS,
    },
    {
      name: "bake times, gates and the last watch are added",
      spec: aSpec(
        {},
        { stages: [aStage({ bakeMs: 1_000, gates: [gate] })], timing: { ...aSpec().timing, finalBakeMs: 7 } },
      ),
      loads: [load(1)],
      is: TURN_MS + 1_000 + 80_000 + 7,
    },
  ];
  for (const { name, spec, loads, is } of cases) it(name, () => assert.equal(estimate(spec, loads).total, is));

  it("tells the stages apart", () => {
    assert.deepEqual(estimate(aSpec({}, { stages: stages(50, 100) }), [load(5), load(0)]).stages, [TURN_MS, 0]);
  });
});
