// How fast agents are assigned.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aFleet, aRollout, aStage, aUid, aWorld, aWorldWithStable, stages } from "./builders.ts";
import { parseRolloutId } from "./ids.ts";
import { mustPace, ratePerMinute } from "./pace.ts";
import { NO_PEERS } from "./pass.ts";
import { plan } from "./plan.ts";
import { initialStatus, type Pace, type RolloutSpec } from "./rollout.ts";
import { DEFAULT_PACE, DEFAULT_RETRY } from "./rollout-defaults.ts";

describe("ratePerMinute", () => {
  const ramp = { factor: 2, afterVerified: 100, maxPerMinute: 50 };
  const cases: readonly { pace: Pace; verified: number; is: number | null }[] = [
    { pace: DEFAULT_PACE, verified: 0, is: null },
    { pace: { ...DEFAULT_PACE, ramp }, verified: 0, is: null },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 10 }, verified: 500, is: 10 },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 10, ramp }, verified: 0, is: 10 },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 10, ramp }, verified: 99, is: 10 },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 10, ramp }, verified: 100, is: 20 },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 10, ramp }, verified: 200, is: 40 },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 10, ramp }, verified: 100_000, is: 50 },
    { pace: { ...DEFAULT_PACE, maxPerMinute: 80, ramp }, verified: 100_000, is: 80 },
  ];
  for (const { pace, verified, is } of cases) {
    it(`${pace.maxPerMinute} a minute${pace.ramp === null ? "" : ", growing"}: ${is} after ${verified}`, () =>
      assert.equal(ratePerMinute(pace, verified), is));
  }
});

describe("mustPace", () => {
  const spec = aRollout(stages(100));
  const windows = [{ cron: "0 0 * * *", durationMs: 60_000, timeZone: "UTC" }];
  const other = parseRolloutId("01890a5d-0000-7000-8000-0000000000ff");
  const cases = [
    { name: "nothing stands against all at once", is: false },
    { name: "a limit by time", spec: { ...spec, pace: { ...DEFAULT_PACE, maxPerMinute: 1 } }, is: true },
    { name: "a limit at once", spec: { ...spec, pace: { ...DEFAULT_PACE, maxInFlight: 1 } }, is: true },
    { name: "a limit per domain", spec: { ...spec, pace: { ...DEFAULT_PACE, maxUnavailablePerDomain: 1 } }, is: true },
    { name: "a limit of one stage", spec: { ...spec, stages: [aStage({ maxInFlight: 1 })] }, is: true },
    { name: "windows", spec: { ...spec, timing: { ...spec.timing, windows } }, is: true },
    { name: "calendars", spec: { ...spec, timing: { ...spec.timing, calendarIds: ["c"] } }, is: true },
    { name: "a pause", phase: "paused", is: true },
    { name: "another rollout", peers: { ...NO_PEERS, others: new Map([[other, aRollout(stages(100))]]) }, is: true },
  ] as const;
  for (const { name, is, ...rest } of cases) {
    it(`${name}: ${is ? "one by one" : "as stages reach them"}`, () => {
      const {
        spec: asked = spec,
        phase = "running",
        peers = NO_PEERS,
      } = rest as { spec?: RolloutSpec; phase?: "paused"; peers?: typeof NO_PEERS };
      assert.equal(mustPace(asked, { ...initialStatus(spec), phase }, peers), is);
    });
  }
});

describe("admission", () => {
  const paced = (pace: Partial<Pace>, change: Partial<RolloutSpec> = {}): RolloutSpec =>
    aRollout(stages(100), {
      pace: { ...DEFAULT_PACE, ...pace },
      timing: { ...aRollout([]).timing, soakMs: 10_000 },
      ...change,
    });

  /** Agents that were offered something until some seconds after the start. */
  function offeredAfter(spec: RolloutSpec, seconds: readonly number[], fleet = aFleet(10)): readonly number[] {
    const world = aWorld(fleet);
    world.start(spec);
    let atMs = 0;
    return seconds.map((second) => {
      world.advance(second * 1_000 - atMs);
      atMs = second * 1_000;
      return [...world.agents.values()].filter(({ offers }) => offers.length > 0).length;
    });
  }

  const cases: readonly {
    name: string;
    spec: RolloutSpec;
    is: readonly (readonly [second: number, count: number])[];
  }[] = [
    { name: "is of all at once without a limit", spec: paced({}), is: [[1, 10]] },
    {
      name: "keeps to the number at once: the next come when the first are verified",
      spec: paced({ maxInFlight: 3 }),
      is: [
        [1, 3],
        [14, 3],
        [16, 6],
        [31, 9],
      ],
    },
    {
      name: "keeps to the number per minute",
      spec: paced({ maxPerMinute: 4 }),
      is: [
        [1, 4],
        [59, 4],
        [61, 8],
        [121, 10],
      ],
    },
    {
      name: "grows with success",
      spec: paced({ maxPerMinute: 2, ramp: { factor: 2, afterVerified: 2, maxPerMinute: 8 } }),
      is: [
        [1, 2],
        [20, 4],
        [40, 8],
      ],
    },
    {
      name: "keeps to the number of a stage",
      spec: paced({}, { stages: [aStage({ size: { kind: "count", count: 4 }, maxInFlight: 1 }), aStage()] }),
      is: [
        [1, 1],
        [16, 2],
        [46, 4],
        [61, 10],
      ],
    },
  ];
  for (const { name, spec, is } of cases) {
    it(name, () =>
      assert.deepEqual(
        offeredAfter(
          spec,
          is.map(([second]) => second),
        ),
        is.map(([, count]) => count),
      ),
    );
  }

  it("takes no more from a domain than may be missing there", () => {
    const fleet = aFleet(10, (n) => ({ labels: { zone: n % 2 === 0 ? "a" : "b" } }));
    assert.deepEqual(offeredAfter(paced({ domainKey: "zone", maxUnavailablePerDomain: 1 }), [1, 16], fleet), [2, 4]);
  });

  it("says so when everybody left is in a domain in which too many are missing", () => {
    const fleet = aFleet(4, (n) => ({ react: (hash) => (n === 1 || hash.startsWith("1") ? "crash_loops" : "good") }));
    const world = aWorld(fleet);
    const spec = paced(
      { maxUnavailablePerDomain: 1 },
      { budget: { criteria: [], onBreach: "pause" }, stages: [aStage({ successMinPercent: 1 })] },
    );
    for (const agent of world.agents.values()) if (agent.uid === aUid(1)) agent.react = () => "crash_loops";
    const rollout = world.start(spec);
    world.advance(600_000);
    assert.deepEqual([rollout.status.phase, rollout.status.reason], ["running", "held_back"]);
    assert.match(rollout.status.message, /held back/);
  });
});

describe("a rollout beside one that takes agents at will", () => {
  it("looks again soon, and says once that its agents are held back", () => {
    const world = aWorld(aFleet(2));
    const rollout = world.start(aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxInFlight: 1 } }));
    const { input } = world.draft(rollout);
    const waved = new Set(world.agents.keys());
    const held = plan({ ...input, peers: { ...NO_PEERS, waved } });
    assert.equal(held.status.reason, "held_back");
    const unsettled = plan({ ...input, status: held.status, peers: { ...NO_PEERS, isUnsettled: true } });
    assert.deepEqual([unsettled.status.reason, unsettled.decisions], ["held_back", []]);
    assert.ok((unsettled.wakeAtMs ?? 0) <= world.nowMs + 1_000);
  });
});

describe("the way back", () => {
  it("is four times as fast, and goes in reverse", () => {
    const world = aWorldWithStable(aFleet(12));
    const spec = aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxInFlight: 1 } });
    const rollout = world.start(spec);
    world.advance(120_000);
    assert.equal(rollout.status.phase, "succeeded");
    const order = [...world.agents.values()].sort(
      (a, b) => (a.offers.at(-1)?.atMs ?? 0) - (b.offers.at(-1)?.atMs ?? 0),
    );
    world.wish(rollout, { wish: "revert" });
    world.settle();
    const first = order.filter(({ offers }) => offers.at(-1)?.hash.startsWith("1")).map(({ uid }) => uid);
    assert.deepEqual(new Set(first), new Set(order.slice(-4).map(({ uid }) => uid)));
    world.advance(120_000);
    assert.equal(rollout.status.phase, "reverted");
  });

  for (const [what, spec] of [
    ["per minute", aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxPerMinute: 1 } })],
    ["of a stage", aRollout([aStage({ maxInFlight: 1 })])],
  ] as const) {
    it(`keeps to four times the number ${what}`, () => {
      const world = aWorldWithStable(aFleet(12));
      const rollout = world.start(spec);
      world.advance(20 * 60_000);
      assert.equal(rollout.status.phase, "succeeded");
      world.wish(rollout, { wish: "revert" });
      world.settle();
      const backCount = () => [...world.agents.values()].filter(({ offers }) => isOld(offers.at(-1)?.hash)).length;
      assert.equal(backCount(), 4);
      world.advance(125_000);
      assert.deepEqual([backCount(), rollout.status.phase], [12, "reverted"]);
    });
  }

  it("ends though an agent of the domain never gets well", () => {
    const fleet = aFleet(6, (n) => (n === 3 ? { react: () => "rejects" } : {}));
    const world = aWorld(fleet);
    const pace = { ...DEFAULT_PACE, maxUnavailablePerDomain: 2 };
    const rollout = world.start(
      aRollout([aStage({ successMinPercent: 50 })], { pace, budget: { criteria: [], onBreach: "pause" } }),
    );
    world.advance(60_000);
    world.wish(rollout, { wish: "revert" });
    world.advance(600_000);
    assert.equal(rollout.status.phase, "rollback_incomplete");
  });
});

describe("agents that are tried again", () => {
  it("are assigned again within the limit per minute, beside those that are new", () => {
    const world = aWorld(aFleet(6, () => ({ react: () => "slow" })));
    const rollout = world.start(
      aRollout(stages(100), {
        pace: { ...DEFAULT_PACE, maxPerMinute: 2 },
        retry: { ...DEFAULT_RETRY, maxAttempts: 2 },
      }),
    );
    world.advance(3_600_000);
    const times = [...world.agents.values()]
      .flatMap(({ offers }) => offers.map(({ atMs }) => atMs))
      .sort((a, b) => a - b);
    assert.deepEqual([rollout.status.phase, times.length], ["succeeded", 12]);
    for (const from of times) {
      assert.ok(times.filter((atMs) => atMs >= from && atMs < from + 60_000).length <= 2, "two in any minute");
    }
  });
});

/** What agents had that `aWorldWithStable` made. */
function isOld(hash: string | undefined): boolean {
  return hash?.startsWith("1") ?? false;
}
