import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CohortAgent, DARK_TIMEOUT_MS } from "./assess.ts";
import { type AgentTraits, aCohortAgent, aHash, anAgent, aRollout, aUid, stages } from "./builders.ts";
import { type Contribution, EVERYONE, rankOf } from "./desired.ts";
import { parseRolloutId } from "./ids.ts";
import { type PlanInput, plan, REBUILD_MS } from "./plan.ts";
import {
  type AgentRolloutState,
  initialStatus,
  isEnded,
  ROLLOUT_TRANSITIONS,
  type RolloutSpec,
  type RolloutStatus,
  stageSize,
  targetedCount,
} from "./rollout.ts";

const applied: AgentTraits = {
  offered: { hash: aHash(), atMs: 0, answer: "applied" },
  ack: { hash: aHash(), state: "applied" },
};

/** A fleet in which exactly the agents within the cutoff were assigned, and all of those are like `traits`. */
function fleet(
  spec: RolloutSpec,
  status: RolloutStatus,
  size: number,
  traits: AgentTraits = applied,
): readonly CohortAgent[] {
  return Array.from({ length: size }, (_, i) => {
    const uid = aUid(i + 1);
    const isReached = rankOf(spec.id, uid) <= status.cutoff;
    return aCohortAgent(spec, anAgent(isReached ? { uid, ...traits } : { uid }), isReached);
  });
}

function pass(
  spec: RolloutSpec,
  status: RolloutStatus,
  size: number,
  traits = applied,
  rest: Partial<PlanInput> = {},
): RolloutStatus {
  return plan({
    spec,
    status,
    cohort: fleet(spec, status, size, traits),
    fleetLostAtMs: 0,
    nowMs: 1000,
    ...rest,
  }).status;
}

describe("plan", () => {
  it("reaches exactly 5, 25 and 50 of 50 agents with 10, 50 and 100 percent", () => {
    const spec = aRollout(stages(10, 50, 100));
    let status = initialStatus(spec);
    const reached: number[] = [];
    for (let i = 0; i < 10 && !isEnded(status.phase); i++) {
      status = pass(spec, status, 50);
      reached.push(50 - status.counts.queued);
    }
    assert.deepEqual([...new Set(reached)], [5, 25, 50]);
    assert.equal(status.phase, "succeeded");
    assert.deepEqual(
      status.stages.map((s) => [s.state, s.size]),
      [
        ["passed", 5],
        ["passed", 25],
        ["passed", 50],
      ],
    );
    assert.equal(status.counts.verified, 50);
  });

  it("answers the very same status when nothing changed", () => {
    const spec = aRollout(stages(10, 100));
    const status = pass(spec, initialStatus(spec), 50, {});
    assert.equal(pass(spec, status, 50, {}), status);
  });

  it("does not pass a stage whose agents are merely silent", () => {
    const spec = aRollout(stages(10, 100));
    let status = initialStatus(spec);
    for (let i = 0; i < 3; i++) status = pass(spec, status, 50, { offered: { hash: aHash(), atMs: 0 } });
    assert.equal(status.stageIndex, 0);
    assert.equal(status.counts.offered, 5);
  });

  it("waits for the bake time, and starts it over when an agent turns bad within it", () => {
    const spec = aRollout([
      { size: { kind: "count", count: 5 }, bakeMs: 60_000 },
      { size: { kind: "percent", percent: 100 }, bakeMs: 0 },
    ]);
    let status = pass(spec, pass(spec, initialStatus(spec), 50), 50);
    assert.equal(status.stages[0]?.state, "baking");
    assert.equal(
      plan({ spec, status, cohort: fleet(spec, status, 50), fleetLostAtMs: 0, nowMs: 20_000 }).wakeAtMs,
      50_000,
    );
    status = pass(spec, status, 50, { ...applied, healthy: false }, { nowMs: 29_000 });
    assert.deepEqual([status.stages[0]?.state, status.reason], ["converging", "stage_reopened"]);
    status = pass(spec, status, 50, applied, { nowMs: 50_000 });
    assert.equal(pass(spec, status, 50, applied, { nowMs: 109_000 }).stageIndex, 0);
    assert.equal(pass(spec, status, 50, applied, { nowMs: 110_000 }).stageIndex, 1);
  });

  it("pauses on a failure and names the agent; resuming accepts that one and no other", () => {
    const spec = aRollout(stages(10, 100));
    const failed: AgentTraits = { ack: { hash: aHash(), state: "failed", error: "no such exporter" } };
    const started = pass(spec, initialStatus(spec), 50);
    const paused = pass(spec, started, 50, failed);
    assert.deepEqual([paused.phase, paused.reason], ["paused", "agents_failed"]);
    assert.match(paused.message, /^Agent [0-9a-f-]{36} and 4 more failed: no such exporter$/);
    const resumed = pass({ ...spec, generation: 2 }, paused, 50, failed);
    assert.equal(resumed.phase, "running");
    assert.equal(resumed.stageIndex, 1);
    const again = pass({ ...spec, generation: 2 }, resumed, 50, failed);
    assert.equal(again.phase, "paused");
  });

  it("holds still while paused and goes on where it was", () => {
    const spec = aRollout(stages(10, 100));
    const started = pass(spec, initialStatus(spec), 50);
    const paused = pass({ ...spec, generation: 2, wish: "pause", wishReason: "lunch" }, started, 50);
    assert.equal(paused.message, "Paused by an operator: lunch");
    assert.equal(pass({ ...spec, generation: 2, wish: "pause" }, paused, 50).stageIndex, 0);
    const resumed = pass({ ...spec, generation: 3, wish: "run" }, paused, 50);
    assert.equal(resumed.cutoff, EVERYONE);
  });

  it("ends at once when aborted, and stays ended", () => {
    const spec = aRollout(stages(10, 100));
    const started = pass(spec, initialStatus(spec), 50);
    const halted = pass({ ...spec, generation: 2, wish: "abort" }, started, 50);
    assert.deepEqual([halted.phase, halted.endedAtMs, halted.cutoff], ["halted", 1000, started.cutoff]);
    assert.equal(pass({ ...spec, generation: 3 }, halted, 50), halted);
  });

  it("does not pass a baking stage whose agents are all gone", () => {
    const spec = aRollout([{ size: { kind: "count", count: 5 }, bakeMs: 1_000 }, ...stages(100)]);
    const baking = pass(spec, pass(spec, initialStatus(spec), 50), 50);
    assert.equal(baking.stages[0]?.state, "baking");
    const after = pass(spec, baking, 0, applied, { nowMs: 100_000 });
    assert.deepEqual([after.phase, after.stageIndex, after.cutoff], ["running", 0, baking.cutoff]);
  });

  it("does not spin while it is paused with a bake time that is over", () => {
    const spec = aRollout([{ size: { kind: "count", count: 5 }, bakeMs: 1_000 }, ...stages(100)]);
    const baking = pass(spec, pass(spec, initialStatus(spec), 50), 50);
    const pausing = { ...spec, generation: 2, wish: "pause" } as const;
    const { wakeAtMs } = plan({
      spec: pausing,
      status: baking,
      cohort: fleet(spec, baking, 50),
      fleetLostAtMs: 0,
      nowMs: 9_000,
    });
    assert.ok(wakeAtMs !== null && wakeAtMs >= 39_000);
  });

  it("bakes anew after a pause", () => {
    const spec = aRollout([{ size: { kind: "count", count: 5 }, bakeMs: 1_000 }, ...stages(100)]);
    const baking = pass(spec, pass(spec, initialStatus(spec), 50), 50);
    const paused = pass({ ...spec, generation: 2, wish: "pause" }, baking, 50, applied, { nowMs: 1_500 });
    const resumed = pass({ ...spec, generation: 3, wish: "run" }, paused, 50, applied, { nowMs: 90_000 });
    assert.equal(resumed.stageIndex, 0);
    assert.equal(pass({ ...spec, generation: 3 }, resumed, 50, applied, { nowMs: 91_000 }).stageIndex, 1);
  });

  it("finishes a rollout that is for nobody", () => {
    const spec = aRollout(stages(10, 100));
    assert.equal(pass(spec, initialStatus(spec), 0).phase, "succeeded");
  });

  it("waits when more of a stage is offline than may be", () => {
    const spec = aRollout(stages(100));
    const started = pass(spec, initialStatus(spec), 10);
    const waiting = pass(spec, started, 10, { connected: false });
    assert.deepEqual([waiting.phase, waiting.reason], ["running", "waiting_for_agents"]);
    assert.equal(waiting.counts.offline_deferred, 10);
  });

  it("does not take a fleet that lost its state for an empty one", () => {
    const spec = aRollout(stages(100));
    const started = pass(spec, initialStatus(spec), 10);
    const lost = { cohort: [], fleetLostAtMs: 5_000 };
    const held = pass(spec, started, 0, applied, { ...lost, nowMs: 6_000 });
    assert.deepEqual([held.phase, held.reason], ["running", "rebuilding"]);
    const after = pass(spec, held, 0, applied, { ...lost, nowMs: 5_000 + REBUILD_MS });
    assert.equal(after.phase, "running");
  });
});

describe("an agent that the revision failed", () => {
  const spec = aRollout(stages(100));
  const old = aHash("0");
  const failed = { hash: aHash(), state: "failed", error: "no such exporter" } as const;
  const status = { ...initialStatus(spec), cutoff: EVERYONE, observedGeneration: 1 };
  const exclusion = { rolloutId: spec.id, hash: aHash(), state: "failed", error: "no such exporter", atMs: 5 } as const;
  const before: Contribution = {
    configId: spec.configId,
    revision: 1,
    hash: old,
    order: 100,
    rolloutId: parseRolloutId("01890a5d-0000-7000-8000-000000000000"),
  };
  const given = (traits: AgentTraits, contribution = before): CohortAgent => ({
    view: anAgent(traits),
    desired: { hash: contribution.hash, contributions: [contribution], assignedAtMs: 10 },
    exclusion,
  });
  const look = (agent: CohortAgent, nowMs = 20) => plan({ spec, status, cohort: [agent], fleetLostAtMs: 0, nowMs });

  it("is given back what it had, at once, also while the rollout pauses", () => {
    const { status: paused, restores } = look(aCohortAgent(spec, anAgent({ ack: failed })));
    assert.equal(paused.phase, "paused");
    assert.deepEqual(restores, [{ uid: aUid(), exclusion: { ...exclusion, atMs: 20 } }]);
    assert.deepEqual(paused.failures, [{ uid: aUid(), state: "failed", error: "no such exporter", since: "failed" }]);
  });

  it("is asked for until it is assigned, under the words that were said first", () => {
    const stale = given({ ack: failed }, { ...before, revision: 2, hash: aHash(), rolloutId: spec.id });
    assert.deepEqual(look(stale).restores, [{ uid: aUid(), exclusion }]);
    assert.equal(look(stale).status.counts.restore_offered, 1);
    assert.deepEqual(look(given({ ack: failed })).restores, []);
  });

  it("went back by itself when it has what it had and nobody offered it", () => {
    const { status: after } = look(given({ ack: { hash: old, state: "applied" } }));
    assert.deepEqual([after.failures[0]?.state, after.failures[0]?.since], ["self_rolled_back", "restored"]);
  });

  const cases: readonly (readonly [name: string, traits: AgentTraits, nowMs: number, expected: AgentRolloutState])[] = [
    ["is waited for", { ack: failed }, 20, "restore_offered"],
    [
      "has it and is healthy",
      { ack: { hash: old, state: "applied" }, offered: { hash: old, atMs: 10 } },
      20,
      "restored",
    ],
    ["has it and is not healthy", { ack: { hash: old, state: "applied" }, healthy: false }, 400_000, "restore_failed"],
    ["fails that, too", { ack: { hash: old, state: "failed" } }, 20, "restore_failed"],
    ["never answers", { ack: failed, offered: { hash: old, atMs: 10 } }, 400_000, "restore_failed"],
    ["is away", { ack: failed, connected: false }, 400_000, "restore_offered"],
  ];
  for (const [name, traits, nowMs, expected] of cases) {
    it(`${name}: ${expected}, and counts as failed all the while`, () => {
      const { status: after } = look(given(traits), nowMs);
      assert.equal(after.counts[expected], 1, JSON.stringify(after.counts));
      assert.deepEqual(after.failures[0], { uid: aUid(), state: "failed", error: "no such exporter", since: expected });
    });
  }
});

describe("assessment of an assigned agent", () => {
  const passive = ["ReportsStatus", "AcceptsRemoteConfig"];
  const late = 400_000;
  const cases: readonly (readonly [name: string, traits: AgentTraits, nowMs: number, expected: AgentRolloutState])[] = [
    ["is not yet offered", {}, 0, "assigned"],
    ["is never offered anything", {}, late, "timed_out"],
    ["was offline before the offer", { connected: false }, late, "offline_deferred"],
    ["was offered", { offered: { hash: aHash(), atMs: 0 } }, 0, "offered"],
    ["is silent after the offer", { offered: { hash: aHash(), atMs: 0 } }, late, "timed_out"],
    ["went dark after the offer", { connected: false, offered: { hash: aHash(), atMs: 0 } }, late, "went_dark"],
    ["is applying", { ack: { hash: aHash(), state: "applying" } }, 0, "applying"],
    ["says applying for ever", { ack: { hash: aHash(), state: "applying" } }, late, "timed_out"],
    ["applied and is healthy", applied, 0, "verified"],
    ["applied and crashes", { ...applied, healthy: false }, 0, "applied_unverified"],
    ["applied and keeps crashing", { ...applied, healthy: false }, late, "unhealthy"],
    ["applied and vanished", { ...applied, connected: false, disconnectedAtMs: 0 }, 1, "applied_unverified"],
    ["applied and stays away", { ...applied, connected: false }, DARK_TIMEOUT_MS, "went_dark"],
    ["failed", { ack: { hash: aHash(), state: "failed" } }, 0, "failed"],
    [
      "went back by itself",
      { offered: { hash: aHash(), atMs: 0, answer: "failed" }, ack: { hash: aHash("0"), state: "applied" } },
      0,
      "self_rolled_back",
    ],
    ["applied and crashes for long", { ...applied, healthy: false }, 30_000, "unhealthy"],
    ["had it already", { ack: { hash: aHash(), state: "applied" } }, 0, "verified"],
    ["accepts no configs", { capabilities: ["ReportsStatus"] }, 0, "incapable"],
    [
      "never tells a status, but shows the config",
      {
        capabilities: [...passive, "ReportsEffectiveConfig"],
        offered: { hash: aHash(), atMs: 10 },
        effectiveConfigAtMs: 20,
      },
      30,
      "verified",
    ],
    [
      "never tells a status, and shows the old config",
      {
        capabilities: [...passive, "ReportsEffectiveConfig"],
        offered: { hash: aHash(), atMs: 10 },
        effectiveConfigAtMs: 5,
      },
      30,
      "offered",
    ],
    [
      "tells nothing, and stays healthy",
      { capabilities: passive, offered: { hash: aHash(), atMs: 0 } },
      15_000,
      "verified",
    ],
  ];
  for (const [name, traits, nowMs, expected] of cases) {
    it(`${name}: ${expected}`, () => {
      const spec = aRollout(stages(100));
      const status = { ...initialStatus(spec), cutoff: EVERYONE, observedGeneration: 1 };
      const { counts } = plan({
        spec,
        status,
        cohort: [aCohortAgent(spec, anAgent(traits))],
        fleetLostAtMs: 0,
        nowMs,
      }).status;
      assert.equal(counts[expected], 1, JSON.stringify(counts));
    });
  }
});

describe("stage size", () => {
  const cases: readonly (readonly [percent: number, fleet: number, expected: number])[] = [
    [10, 50, 5],
    [10, 51, 6],
    [7, 100, 7],
    [0.1, 5, 1],
    [100, 3, 3],
    [33.4, 3, 2],
  ];
  for (const [percent, size, expected] of cases) {
    it(`${percent} % of ${size} is ${expected}`, () =>
      assert.equal(stageSize({ kind: "percent", percent }, size), expected));
  }
});

describe("any rollout over any fleet", () => {
  const traits: readonly AgentTraits[] = [
    {},
    applied,
    { connected: false },
    { ack: { hash: aHash(), state: "failed" } },
    { ack: { hash: aHash(), state: "applying" } },
    { capabilities: [] },
  ];

  it("keeps every agent in one state, never lowers the cutoff, and moves as the table allows", () => {
    const stepArb = fc.record({
      traits: fc.array(fc.constantFrom(...traits), { maxLength: 12 }),
      afterMs: fc.nat(200_000),
      wish: fc.constantFrom("run", "pause", "run", "run", "abort"),
    });
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 12 }), (steps) => {
        let spec = aRollout(stages(10, 50, 100));
        let status = initialStatus(spec);
        let nowMs = 0;
        for (const step of steps) {
          nowMs += step.afterMs;
          if (step.wish !== spec.wish)
            spec = { ...spec, wish: step.wish as RolloutSpec["wish"], generation: spec.generation + 1 };
          const cohort = step.traits.map((t, i) => {
            const uid = aUid(i);
            return aCohortAgent(spec, anAgent({ uid, ...t }), rankOf(spec.id, uid) <= status.cutoff);
          });
          const next = plan({ spec, status, cohort, fleetLostAtMs: 0, nowMs });
          assert.ok(next.status.cutoff >= status.cutoff);
          if (!isEnded(status.phase)) assert.equal(targetedCount(next.status.counts), cohort.length);
          const reachable: readonly string[] = [
            status.phase,
            ...ROLLOUT_TRANSITIONS[status.phase],
            ...ROLLOUT_TRANSITIONS[status.phase].flatMap((p) => [...ROLLOUT_TRANSITIONS[p]]),
          ];
          assert.ok(reachable.includes(next.status.phase));
          assert.equal(next.wakeAtMs === null, isEnded(next.status.phase));
          assert.ok(next.wakeAtMs === null || next.wakeAtMs > nowMs);
          status = next.status;
        }
      }),
    );
  });
});
