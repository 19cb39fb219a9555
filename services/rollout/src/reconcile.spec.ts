import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type CohortAgent,
  DEFAULT_PACE,
  EVERYONE,
  type Exclusion,
  type InstanceUid,
  initialStatus,
  NO_PEERS,
  type RolloutSpec,
  type RolloutStatus,
  type WaveEntry,
} from "@muster/fleet";
import { aCohortAgent, anAgent, aRollout, aUid, ROLLOUT_ID, stages } from "@muster/fleet/builders";
import type { StoredRollout } from "@muster/store";
import { type ReconcileDeps, reconcile } from "./reconcile.ts";
import { HINT_AGAIN_MS } from "./unheard.ts";

const NOW_MS = 1_700_000_000_000;
const base = aRollout(stages(10, 100));
const [first] = initialStatus(base).stages;
assert.ok(first !== undefined);
/** A rollout whose only stage reaches everybody. */
const ALL_REACHED: Partial<RolloutStatus> = {
  phase: "running",
  observedGeneration: 1,
  startedAtMs: NOW_MS - 1_000,
  stages: [{ ...first, state: "dispatching", cutoff: EVERYONE, size: 10, startedAtMs: NOW_MS - 1_000 }],
};
const unassigned = (n: number): CohortAgent => aCohortAgent(base, anAgent({ uid: aUid(n) }), false);
const fleet = Array.from({ length: 10 }, (_, i) => unassigned(i + 1));

interface Given {
  readonly spec?: RolloutSpec;
  readonly status?: Partial<RolloutStatus>;
  readonly wave?: readonly WaveEntry[];
  readonly cohort?: readonly CohortAgent[];
}

/** A rollout in memory, over ten agents that are not assigned yet; it notes what is asked for. */
function aWorld(given: Given = {}, overrides: Partial<ReconcileDeps> = {}) {
  const { spec = base, status = {}, wave = [], cohort = fleet } = given;
  const done: string[] = [];
  const short = (uids: readonly InstanceUid[]): string => uids.map((uid) => uid.slice(-2)).join();
  let stored: StoredRollout | undefined = { spec, status: { ...initialStatus(spec), ...status }, version: 1, wave };
  const deps: ReconcileDeps = {
    loadRollout: async () => stored,
    loadCohort: async () => cohort,
    admissionCount: async () => 0,
    loadPeers: async () => ({ ...NO_PEERS, holder: spec.id }),
    loadCalendars: async () => [],
    loadRemoved: async () => new Map(),
    loadReadings: async () => [],
    quarantineOf: async () => null,
    fleetLostAtMs: async () => 0,
    async commit(rollout, next) {
      if (rollout.version !== stored?.version) return "conflict";
      stored = { ...rollout, status: next.status, wave: next.wave, version: rollout.version + 1 };
      done.push("commit");
      return "committed";
    },
    requestAssign: async (p) => {
      done.push(`assign ${p}`);
    },
    async exclude(_, exclusions) {
      for (const [uid, { state }] of exclusions) done.push(`exclude ${short([uid])} ${state}`);
    },
    async forgive(_, uids) {
      done.push(`forgive ${short(uids)}`);
    },
    decideAgain: async (uid) => {
      done.push(`decide ${short([uid])}`);
    },
    partitionOf: () => 1,
    requestPeers: async () => {
      done.push("peers");
    },
    requestReconcileAt: async (_, atMs) => {
      done.push(`wake +${atMs - NOW_MS}`);
    },
    putOffReconcile: async (_, atMs) => {
      done.push(`again +${atMs - NOW_MS}`);
    },
    requestMeasure: async () => {
      done.push("measure");
    },
    onMoved: (_, { status: { phase, reason } }) => done.push(`${phase} ${reason}`),
    nowMs: () => NOW_MS,
    partitions: 2,
    ...overrides,
  };
  return { deps, done, stored: () => stored, remove: () => (stored = undefined) };
}

describe("reconcile", () => {
  it("has nothing to do for a rollout that is gone", async () => {
    const { deps, done, remove } = aWorld();
    remove();
    assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "gone" });
    assert.deepEqual(done, []);
  });

  for (const phase of ["rolled_back", "cancelled", "reverted"] as const) {
    it(`leaves a rollout that is ${phase} and settled alone, without reading the fleet`, async () => {
      const loadCohort = async () => assert.fail("nobody need be read");
      const { deps, done } = aWorld({ status: { phase, isSettled: true, observedGeneration: 1 } }, { loadCohort });
      assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "settled" });
      assert.deepEqual(done, []);
    });
  }

  it("looks at a settled rollout again once an operator said something new", async () => {
    const spec: RolloutSpec = { ...base, generation: 2, wishGeneration: 2, wish: "revert" };
    const status: Partial<RolloutStatus> = { ...ALL_REACHED, phase: "succeeded", isSettled: true, endedAtMs: 1 };
    const { deps, stored } = aWorld({ spec, status });
    await reconcile(ROLLOUT_ID, deps);
    assert.match(stored()?.status.phase ?? "", /revert/);
  });

  it("takes what failed an agent from it at once, also while the rollout pauses for it", async () => {
    const ack = { hash: base.hash, state: "failed", error: "no" } as const;
    const failing = aCohortAgent(base, anAgent({ uid: aUid(1), ack }));
    const { deps, done } = aWorld({ spec: aRollout(stages(100)), status: ALL_REACHED, cohort: [failing] });
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done.slice(0, 4), ["commit", "paused inconclusive", "exclude 01 failed", "decide 01"]);
    assert.ok(done.indexOf("assign 1") > 3);
  });

  it("commits a stage before it has it assigned everywhere, and says when to look again", async () => {
    const { deps, done } = aWorld();
    const outcome = await reconcile(ROLLOUT_ID, deps);
    assert.equal(outcome.kind, "waiting");
    assert.deepEqual(done.slice(0, 4), ["commit", "running stage_started", "assign 0", "assign 1"]);
    assert.equal(done[4], "peers", "they are to admit their agents one by one from now on");
    assert.match(done[5] ?? "", /^wake \+\d+$/);
    assert.equal(done.length, 6);
  });

  it("has it assigned again as long as agents are not, though the status does not change", async () => {
    const { deps, done } = aWorld();
    await reconcile(ROLLOUT_ID, deps);
    done.length = 0;
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done.slice(0, 2), ["assign 0", "assign 1"]);
    assert.ok(!done.includes("commit"));
  });

  it("asks only partitions of those who are admitted, and again until they are assigned", async () => {
    const spec = aRollout(stages(100), { pace: { ...DEFAULT_PACE, maxInFlight: 3 } });
    const { deps, done, stored } = aWorld({ spec, status: { ...ALL_REACHED, isPaced: true } });
    await reconcile(ROLLOUT_ID, deps);
    assert.equal(stored()?.wave.length, 3);
    assert.deepEqual(
      done.filter((what) => what.startsWith("assign")),
      ["assign 1"],
    );
    done.length = 0;
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(
      done.filter((what) => what.startsWith("assign")),
      ["assign 1"],
    );
    assert.equal(stored()?.wave.length, 3, "nobody is admitted twice");
  });

  it("asks for no assignment while everyone of the stage is assigned and was offered it", async () => {
    const offered = { hash: base.hash, atMs: NOW_MS };
    const cohort = fleet.map((_, i) => aCohortAgent(base, anAgent({ uid: aUid(i + 1), offered })));
    const { deps, done } = aWorld({ spec: aRollout(stages(100)), status: ALL_REACHED, cohort });
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(
      done.filter((what) => what.startsWith("assign")),
      [],
    );
  });

  it("has those decided anew that no gateway told, once that took too long, and looks again by then", async () => {
    const assigned = (assignedAtMs: number): CohortAgent => {
      const { view, desired } = aCohortAgent(base, anAgent({ uid: aUid(1) }));
      return { view, desired: desired === null ? null : { ...desired, assignedAtMs } };
    };
    const given = { spec: aRollout(stages(100)), status: ALL_REACHED };
    const early = aWorld({ ...given, cohort: [assigned(NOW_MS - HINT_AGAIN_MS + 5)] });
    await reconcile(ROLLOUT_ID, early.deps);
    assert.ok(!early.done.some((what) => what.startsWith("decide")));
    assert.equal(early.done.at(-1), "wake +5");
    const late = aWorld({ ...given, cohort: [assigned(NOW_MS - HINT_AGAIN_MS)] });
    await reconcile(ROLLOUT_ID, late.deps);
    assert.ok(late.done.includes("decide 01") && late.done.includes("assign 1"));
  });

  it("lets an operator have agents tried again, and decides them anew", async () => {
    const exclusion: Exclusion = { rolloutId: ROLLOUT_ID, hash: base.hash, state: "failed", error: "", atMs: 5 };
    const spec = aRollout(stages(100), { generation: 2, retries: [{ uid: aUid(1), atMs: 6 }] });
    const { deps, done } = aWorld({ spec, status: ALL_REACHED, cohort: [{ ...unassigned(1), exclusion }] });
    await reconcile(ROLLOUT_ID, deps);
    assert.ok(done.indexOf("forgive 01") < done.indexOf("decide 01") && done.includes("forgive 01"));
  });

  for (const [outcome, again] of [
    ["conflict", 0],
    ["busy", 1_000],
  ] as const) {
    it(`gives way where its commit is answered "${outcome}", does nothing else, and looks again`, async () => {
      const { deps, done } = aWorld({}, { commit: async () => outcome });
      assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "conflict" });
      assert.deepEqual(done, [`again +${again}`]);
    });
  }

  it("has layers that end assigned, and does not look again", async () => {
    const spec: RolloutSpec = { ...base, generation: 2, wish: "abort", wishGeneration: 2 };
    const { deps, done } = aWorld({ spec, status: ALL_REACHED });
    assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "settled" });
    assert.deepEqual(done, ["commit", "halted aborted", "assign 0", "assign 1", "peers"]);
  });

  it("starts no stage while a lost fleet state is told again", async () => {
    const { deps, done } = aWorld({}, { fleetLostAtMs: async () => NOW_MS - 1, loadCohort: async () => [] });
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done.slice(0, 2), ["commit", "scheduled rebuilding"]);
    assert.ok(!done.some((what) => what === "running stage_started"));
  });

  it("fails when the store does, and the pass after it goes on", async () => {
    const { deps, done } = aWorld();
    const broken = { ...deps, requestAssign: async () => Promise.reject(new Error("no queue")) };
    await assert.rejects(reconcile(ROLLOUT_ID, broken), /no queue/);
    done.length = 0;
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done.slice(0, 2), ["assign 0", "assign 1"]);
  });
});
