import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EVERYONE, initialStatus, type RolloutStatus } from "@muster/fleet";
import { aCohortAgent, anAgent, aRollout, aUid, ROLLOUT_ID, stages } from "@muster/fleet/builders";
import type { StoredRollout } from "@muster/store";
import { type ReconcileDeps, reconcile } from "./reconcile.ts";

const spec = aRollout(stages(10, 100));
const NOW_MS = 1_000;

/** A rollout over ten agents that are not assigned yet, in memory; it notes what is asked for. */
function aWorld(status: Partial<RolloutStatus> = {}, overrides: Partial<ReconcileDeps> = {}) {
  const done: string[] = [];
  let stored: StoredRollout | undefined = { spec, status: { ...initialStatus(spec), ...status }, version: 1 };
  const deps: ReconcileDeps = {
    loadRollout: async () => stored,
    loadCohort: async () =>
      Array.from({ length: 10 }, (_, i) => aCohortAgent(spec, anAgent({ uid: aUid(i + 1) }), false)),
    fleetLostAtMs: async () => 0,
    async commit(rollout, next) {
      if (rollout.version !== stored?.version) return false;
      stored = { ...rollout, status: next, version: rollout.version + 1 };
      done.push("commit");
      return true;
    },
    requestAssign: async (p) => {
      done.push(`assign ${p}`);
    },
    async exclude(uid, { state }) {
      done.push(`exclude ${uid.slice(-2)} ${state}`);
    },
    exclusions: async () => new Map(),
    decideAgain: async (uid) => {
      done.push(`decide ${uid.slice(-2)}`);
    },
    partitionOf: () => 1,
    requestReconcileAt: async (_, atMs) => {
      done.push(`wake ${atMs}`);
    },
    onMoved: (_, next) => done.push(next.reason),
    nowMs: () => NOW_MS,
    partitions: 2,
    ...overrides,
  };
  return { deps, done, remove: () => (stored = undefined) };
}

describe("reconcile", () => {
  it("has nothing to do for a rollout that is gone", async () => {
    const { deps, done, remove } = aWorld();
    remove();
    assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "gone" });
    assert.deepEqual(done, []);
  });

  for (const phase of ["succeeded", "halted"] as const) {
    it(`leaves a rollout that ${phase} alone`, async () => {
      const { deps, done } = aWorld({ phase });
      assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "settled" });
      assert.deepEqual(done, []);
    });
  }

  it("takes what failed an agent from it at once, also while the rollout pauses for it", async () => {
    const ack = { hash: spec.hash, state: "failed", error: "no" } as const;
    const failing = aCohortAgent(spec, anAgent({ uid: aUid(1), ack }));
    const running = { cutoff: EVERYONE, stageIndex: 1 };
    const { deps, done } = aWorld(running, { loadCohort: async () => [failing] });
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done.slice(0, 5), ["commit", "agents_failed", "exclude 01 failed", "decide 01", "assign 1"]);
  });

  it("commits a stage before it has it assigned everywhere, and says when to look again", async () => {
    const { deps, done } = aWorld();
    assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "waiting", untilMs: NOW_MS + 30_000 });
    assert.deepEqual(done, ["commit", "stage_started", "assign 0", "assign 1", `wake ${NOW_MS + 30_000}`]);
  });

  it("has it assigned again as long as agents are not, though the status does not change", async () => {
    const { deps, done } = aWorld();
    await reconcile(ROLLOUT_ID, deps);
    done.length = 0;
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done, ["assign 0", "assign 1", `wake ${NOW_MS + 30_000}`]);
  });

  it("asks for no assignment while everyone of the stage is assigned", async () => {
    const { deps } = aWorld();
    await reconcile(ROLLOUT_ID, deps);
    const offered = { hash: spec.hash, atMs: NOW_MS };
    const cohort = Array.from({ length: 10 }, (_, i) => aCohortAgent(spec, anAgent({ uid: aUid(i + 1), offered })));
    const { done, deps: later } = aWorld((await deps.loadRollout(ROLLOUT_ID))?.status, {
      loadCohort: async () => cohort,
    });
    await reconcile(ROLLOUT_ID, later);
    assert.deepEqual(
      done.filter((what) => what.startsWith("assign")),
      [],
    );
  });

  it("gives way to a faster worker, and looks again at once", async () => {
    const { deps, done } = aWorld({}, { commit: async () => false });
    assert.deepEqual(await reconcile(ROLLOUT_ID, deps), { kind: "conflict" });
    assert.deepEqual(done, [`wake ${NOW_MS}`]);
  });

  it("has layers that end assigned, and does not look again", async () => {
    const { deps, done } = aWorld({ observedGeneration: 0 });
    const aborted = { ...spec, generation: 2, wish: "abort" as const };
    const rollout = await deps.loadRollout(ROLLOUT_ID);
    assert.ok(rollout !== undefined);
    const outcome = await reconcile(ROLLOUT_ID, { ...deps, loadRollout: async () => ({ ...rollout, spec: aborted }) });
    assert.deepEqual(outcome, { kind: "settled" });
    assert.deepEqual(done, ["commit", "operator_aborted", "assign 0", "assign 1"]);
  });

  it("starts no stage while a lost fleet state is told again", async () => {
    const { deps, done } = aWorld({}, { fleetLostAtMs: async () => NOW_MS - 1, loadCohort: async () => [] });
    await reconcile(ROLLOUT_ID, deps);
    assert.deepEqual(done, ["commit", "rebuilding", `wake ${NOW_MS + 30_000}`]);
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
