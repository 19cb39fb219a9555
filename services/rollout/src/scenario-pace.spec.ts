// Limits of a rollout, watched at every moment over a real Redis, and rollouts that meet at a config or at an agent.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentView,
  DEFAULT_BUDGET,
  DEFAULT_PACE,
  DEFAULT_RETRY,
  DEFAULT_STAGE,
  DEFAULT_TIMING,
  type DesiredRecord,
  latestAttempt,
  parseConfigId,
  type RolloutId,
  type RolloutSpec,
} from "@muster/fleet";
import { aHash, aUid, stages } from "@muster/fleet/builders";
import { HOUR, MINUTE, rolloutId, SECOND } from "./scenario-ids.ts";
import { aFleet, bearing, NEW, OLD, reacts, runningBy, tolerant, useWorlds } from "./scenario-spec.ts";
import type { ScenarioWorld } from "./scenario-world.ts";

const SOAK_MS = 30 * SECOND;
const timing = { ...DEFAULT_TIMING, soakMs: SOAK_MS, finalBakeMs: 0 };

interface Seen {
  readonly view: AgentView;
  readonly desired: DesiredRecord | null;
}

/** Agents with what they reported and what they were assigned, as anybody may read it. */
async function look(world: ScenarioWorld): Promise<readonly Seen[]> {
  const uids = [...world.agents.keys()];
  const [views, desired] = await Promise.all([world.store.agents.load(uids), world.store.desired.load(uids)]);
  return views.map(({ view }, i) => ({ view, desired: desired[i] ?? null }));
}

/** Whether a rollout has an agent on its way: assigned, and not yet well for the soak time. */
function isOnItsWay({ view, desired }: Seen, id: RolloutId, nowMs: number): boolean {
  if (!desired?.contributions.some((part) => part.rolloutId === id)) return false;
  const answer = latestAttempt(view.attempts, desired.hash)?.answer ?? null;
  return answer?.state !== "applied" || nowMs < answer.atMs + SOAK_MS;
}

describe("limits of a rollout", () => {
  const worlds = useWorlds();

  /** The most agents that were on their way at any moment, over all of the keys that `keyOf` makes. */
  function mostOnTheirWay(world: ScenarioWorld, id: RolloutId, keyOf: (n: number) => string = () => "") {
    const most = new Map<string, number>();
    world.onRest = async () => {
      const counts = new Map<string, number>();
      for (const one of await look(world)) {
        if (!isOnItsWay(one, id, world.nowMs)) continue;
        const key = keyOf(Number.parseInt(one.view.uid.slice(-4), 16));
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      for (const [key, count] of counts) most.set(key, Math.max(most.get(key) ?? 0, count));
    };
    return most;
  }

  for (const [name, spec, expected] of [
    ["of the rollout", { pace: { ...DEFAULT_PACE, maxInFlight: 3 } }, 3],
    [
      "of a stage",
      { stages: [{ ...DEFAULT_STAGE, size: { kind: "percent", percent: 100 }, bakeMs: 0, maxInFlight: 4 }] },
      4,
    ],
  ] as const satisfies readonly (readonly [string, Partial<RolloutSpec>, number])[]) {
    it(`on agents in flight ${name} hold at every moment, and are used`, async () => {
      const world = await worlds.openStable(aFleet(12, (n) => (n === 5 ? reacts("slow") : {})));
      const most = mostOnTheirWay(world, rolloutId(2));
      const id = await world.start(2, { stages: stages(100), timing, retry: DEFAULT_RETRY, ...spec });
      await world.advanceTo(id, "succeeded");
      assert.equal(most.get(""), expected);
      assert.equal(world.running(NEW).length, 12);
      assert.equal(world.offers(NEW).get(aUid(5)), 2, "it was slow, and tried twice");
    });
  }

  it("on the rate hold in every minute", async () => {
    const world = await worlds.openStable(aFleet(12));
    const pace = { ...DEFAULT_PACE, maxPerMinute: 3 };
    const id = await world.start(2, { stages: stages(100), timing, pace });
    await world.advanceTo(id, "succeeded");
    const times = offerTimes(world);
    assert.equal(times.length, 12);
    for (const atMs of times) assert.ok(times.filter((ms) => ms >= atMs && ms < atMs + MINUTE).length <= 3);
    assert.equal((times.at(-1) ?? 0) - (times[0] ?? 0), 3 * MINUTE, "and no slower than that");
  });

  it("on the rate grow with the successes where they ramp", async () => {
    const world = await worlds.openStable(aFleet(30));
    const pace = { ...DEFAULT_PACE, maxPerMinute: 2, ramp: { factor: 2, afterVerified: 4, maxPerMinute: 8 } };
    const id = await world.start(2, { stages: stages(100), timing, pace });
    await world.advanceTo(id, "succeeded");
    const times = offerTimes(world);
    const perMinute = times.map((atMs) => times.filter((ms) => ms > atMs - MINUTE && ms <= atMs).length);
    assert.equal(perMinute[1], 2);
    assert.equal(Math.max(...perMinute), 8);
  });

  it("on a failure domain hold at every moment, also while one of its agents is not well", async () => {
    const zoneOf = (n: number): string => (n % 3 === 0 ? "a" : "b");
    const world = await worlds.openStable(
      aFleet(12, (n) => ({ labels: { zone: zoneOf(n) }, ...(n === 3 ? reacts("crash_loops") : {}) })),
    );
    world.agent(aUid(3)).react = (hash) => (hash === NEW || hash === OLD ? "crash_loops" : "good");
    const pace = { ...DEFAULT_PACE, domainKey: "zone", maxUnavailablePerDomain: 2 };
    const most = mostOnTheirWay(world, rolloutId(2), zoneOf);
    const id = await world.start(2, { ...bearing(100), timing, pace });
    await world.advanceUntil(async () => ((await world.counts(id))["verified"] ?? 0) === 11, 2 * HOUR);
    assert.ok((most.get("a") ?? 0) <= 2 && (most.get("b") ?? 0) <= 2, JSON.stringify([...most]));
    assert.deepEqual(await world.counts(id), { verified: 11, restore_failed: 1 });
  });

  it("hold when both workers look at once, every time", async () => {
    const world = await worlds.openStable(aFleet(12));
    world.work.isRacing = true;
    const most = mostOnTheirWay(world, rolloutId(2));
    const pace = { ...DEFAULT_PACE, maxInFlight: 2, maxPerMinute: 4 };
    const id = await world.start(2, { stages: stages(25, 100), timing, pace });
    await world.advanceTo(id, "succeeded");
    assert.equal(most.get(""), 2);
    assert.ok([...world.offers(NEW).values()].every((count) => count === 1));
    const waves = (await world.log(id)).filter(({ kind }) => kind === "wave").map(({ inputs }) => inputs["wave"]);
    assert.deepEqual(
      waves,
      waves.map((_, i) => i + 1),
      "every wave is there once",
    );
  });

  it("tell a budget that was breached in the first wave before the second is admitted", async () => {
    const world = await worlds.openStable(aFleet(20, () => reacts("crash_loops")));
    const pace = { ...DEFAULT_PACE, maxInFlight: 5 };
    const id = await world.start(2, { stages: stages(100), timing, pace, budget: DEFAULT_BUDGET });
    await world.advanceTo(id, "rolled_back");
    assert.equal(world.offers(NEW).size, 5);
    assert.equal(world.running(OLD).length, 20);
  });
});

describe("rollouts that meet", () => {
  const worlds = useWorlds();
  const baking = stages(20, 100).map((stage) => ({ ...stage, bakeMs: HOUR }));

  it("at a config: the second is refused where it may not wait", async () => {
    const world = await worlds.openStable(aFleet(4));
    await world.start(2, { stages: baking });
    await assert.rejects(world.start(3, { stages: baking }), /is at work on config "base"/);
  });

  it("at a config: the second waits in line and begins when the first is through, the heavier first", async () => {
    const world = await worlds.openStable(aFleet(4));
    const first = await world.start(2, { stages: baking });
    const light = await world.start(3, { stages: stages(100), onConflict: "queue" });
    const heavy = await world.start(4, { stages: stages(100), onConflict: "queue", weight: 5 });
    await world.advance(10 * MINUTE);
    assert.deepEqual([await world.at(light), await world.at(heavy)], ["scheduled queued", "scheduled queued"]);
    await world.advanceTo(first, "succeeded");
    await world.advanceTo(heavy, "succeeded");
    await world.advanceTo(light, "succeeded");
    const [one, two] = [await world.status(heavy), await world.status(light)];
    assert.ok((one.endedAtMs ?? 0) <= (two.startedAtMs ?? 0), "one after the other, the heavier first");
    assert.deepEqual(
      [...world.agents.values()].map(({ offers }) => offers.map(({ hash }) => hash[0]).join("")),
      ["2354", "2354", "2354", "2354"],
    );
  });

  it("at a config: the second takes the place of the first, and no agent goes back in between", async () => {
    const world = await worlds.openStable(aFleet(10));
    const first = await world.start(2, { stages: baking });
    await world.advance(10 * MINUTE);
    const second = await world.start(3, { stages: stages(50, 100), onConflict: "supersede" });
    await world.advanceTo(second, "succeeded");
    assert.equal(await world.at(first), "superseded superseded");
    const ways = [...world.agents.values()].map(({ offers }) => offers.map(({ hash }) => hash[0]).join("")).sort();
    assert.deepEqual(ways, [...Array.from({ length: 2 }, () => "234"), ...Array.from({ length: 8 }, () => "24")]);
    await world.advance(HOUR);
    assert.deepEqual(await world.store.rollouts.active(), []);
  });

  it("at a config: one that ended with agents on their way does not undo the next", async () => {
    for (const wish of [null, "abort"] as const) {
      await worlds.server.restart();
      const world = await worlds.openStable(aFleet(6, (n) => (n === 3 ? reacts("unwell_later") : {})));
      const patient = { ...timing, soakMs: 0, applyTimeoutMs: HOUR, unhealthyGraceMs: 20 * MINUTE };
      const first = await world.start(2, { ...bearing(50, 100), timing: patient });
      await world.advanceUntil(() => world.offers(NEW).has(aUid(3)), HOUR);
      world.agent(aUid(3)).disconnect(world.nowMs);
      if (wish !== null) await world.wish(first, { wish });
      await world.advanceUntil(async () => (await world.status(first)).endedAtMs !== null, HOUR);
      const isSettled = (await world.status(first)).isSettled;
      const second = await world.start(3, { stages: baking, timing });
      await world.advance(20 * MINUTE);
      world.agent(aUid(3)).connect(world.nowMs);
      await world.advance(20 * MINUTE);
      assert.ok(!isSettled || wish === null, "an agent was on its way when the second began");
      const ways = [...world.agents.values()].map(({ offers }) => offers.map(({ hash }) => hash[0]).join(""));
      assert.ok(!ways.some((way) => way.includes("43")), `nobody goes back from the second: ${ways}`);
      await world.advanceTo(second, "succeeded");
      assert.deepEqual(world.running(aHash("4")).length, 6);
    }
  });

  for (const [name, each] of [
    ["with stages", tolerant(30, 100)],
    ["that both take everybody at once", tolerant(100)],
  ] as const) {
    it(`at agents: two on two configs ${name} never have one agent on its way at once`, async () => {
      const world = await worlds.openStable(aFleet(10));
      world.work.isJoint = true;
      const other = { configId: parseConfigId("other"), hash: aHash("9"), revision: 1 };
      const ids = [rolloutId(2), rolloutId(3)] as const;
      let both = 0;
      let joint = 0;
      world.onRest = async () => {
        for (const one of await look(world)) {
          const changes = one.view.attempts.filter(({ answer }) => answer === null || answer.state === "applying");
          if (changes.length > 1) both += 1;
        }
        const phases = await Promise.all(ids.map((id) => world.store.rollouts.get(id)));
        if (phases.every((each) => each?.status.phase === "running")) joint += 1;
      };
      await world.ask(2, { stages: each, timing });
      await world.ask(3, { stages: each, timing, ...other });
      for (const id of ids) await world.advanceTo(id, "succeeded");
      assert.equal(both, 0);
      assert.ok(joint > 0, "they ran at the same time");
      for (const uid of world.agents.keys()) {
        const contributions = (await world.desired(uid))?.contributions.map((part) => [part.configId, part.revision]);
        assert.deepEqual(contributions, [
          ["base", 3],
          ["other", 1],
        ]);
        assert.equal(world.agent(uid).running, (await world.desired(uid))?.hash);
      }
    });
  }

  it("at agents: a failure is held against the rollout that had the agent on its way, and the other goes on", async () => {
    const world = await worlds.openStable(aFleet(6));
    const other = { configId: parseConfigId("other"), hash: aHash("9"), revision: 1 };
    await world.advanceTo(await world.start(2, { stages: stages(100), timing }), "succeeded");
    const withBoth = world.agent(aUid(1));
    withBoth.react = (hash) => (hash === NEW || hash === OLD ? "good" : "crash_loops");
    const id = await world.start(3, { ...bearing(100), timing, ...other });
    await world.advance(10 * MINUTE);
    assert.deepEqual(
      (await world.status(id)).failures.map(({ uid }) => uid),
      [aUid(1)],
    );
    assert.deepEqual((await world.status(rolloutId(2))).failures, []);
    assert.equal(withBoth.running, NEW);
    assert.deepEqual(runningBy(world), { new: [1], other: [2, 3, 4, 5, 6] });
  });
});

function offerTimes(world: ScenarioWorld): readonly number[] {
  return [...world.agents.values()]
    .flatMap(({ offers }) => offers.filter(({ hash }) => hash === NEW).map(({ atMs }) => atMs))
    .sort((a, b) => a - b);
}
