import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  EVERYONE,
  initialStatus,
  type MetricGate,
  NO_PEERS,
  type PlanInput,
  type Reading,
  type RolloutStatus,
} from "@muster/fleet";
import { aCohortAgent, anAgent, aRollout, aUid, ROLLOUT_ID, stages } from "@muster/fleet/builders";
import type { MeasureRequest } from "./measure.ts";
import { type MeasureDueDeps, measureDue } from "./measure-due.ts";

const NOW_MS = 1_000_000;
const gate: MetricGate = {
  kind: "metric",
  name: "errors",
  provider: "prometheus",
  query: "up",
  initialDelayMs: 0,
  intervalMs: 60_000,
  count: 2,
  success: { op: ">", value: 0 },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  errorLimit: 0,
  dryRun: false,
  compare: null,
};
const spec = aRollout(stages(50, 100).map((stage, i) => ({ ...stage, name: `s${i}`, gates: [gate] })));
const aReading = (n: number, atMs: number): Reading => {
  return { stage: 0, gate: 0, n, atMs, outcome: "success", value: 1, message: "" };
};

/** A rollout whose first stage asks its gate: agent 1 has the revision, 2 is there and has not, 3 is away. */
function aWorld(given: { readonly readings?: readonly Reading[]; readonly status?: Partial<RolloutStatus> } = {}) {
  const began = initialStatus(spec);
  const [first] = began.stages;
  assert.ok(first !== undefined);
  const gating = {
    ...first,
    state: "gating",
    cutoff: EVERYONE,
    startedAtMs: 1,
    convergedAtMs: 2,
    gatingAtMs: NOW_MS,
  } as const;
  const ack = { hash: spec.hash, state: "applied" } as const;
  const offered = { hash: spec.hash, atMs: 0, answer: "applied" } as const;
  const cohort = [
    aCohortAgent(spec, anAgent({ uid: aUid(1), ack, offered })),
    aCohortAgent(spec, anAgent({ uid: aUid(2), ack, offered }), false),
    aCohortAgent(spec, anAgent({ uid: aUid(3), connected: false, ack, offered }), false),
  ];
  const status: RolloutStatus = {
    ...began,
    phase: "running",
    observedGeneration: 1,
    startedAtMs: 1,
    stages: [{ ...gating, cutoff: "0" }, ...began.stages.slice(1)],
    ...given.status,
  };
  const input: PlanInput = {
    spec,
    status,
    cohort,
    removedCount: 0,
    wave: [],
    readings: given.readings ?? [],
    calendars: [],
    peers: { ...NO_PEERS, holder: ROLLOUT_ID },
    quarantine: null,
    fleetLostAtMs: 0,
    nowMs: NOW_MS,
  };
  const asked: MeasureRequest[] = [];
  const done: string[] = [];
  const controller = new AbortController();
  const deps: MeasureDueDeps = {
    loadRollout: async () => ({ spec, status, version: 1, wave: [] }),
    loadInput: async () => input,
    async measure(request) {
      asked.push(request);
      return aReading(request.n, NOW_MS);
    },
    record: async (_, { n }) => {
      done.push(`record ${n}`);
    },
    requestReconcile: async () => {
      done.push("look");
    },
    signal: controller.signal,
  };
  return { deps, asked, done, controller };
}

describe("a measurement that is due", () => {
  it("is taken, kept, and looked at", async () => {
    const { deps, asked, done } = aWorld();
    await measureDue(ROLLOUT_ID, deps);
    assert.deepEqual(done, ["record 0", "look"]);
    const [request] = asked;
    assert.deepEqual(
      [request?.rolloutId, request?.stage, request?.stageName, request?.gateIndex, request?.n, request?.gate],
      [ROLLOUT_ID, 0, "s0", 0, 0, gate],
    );
  });

  it("is about agents that have the revision, against those that are there and have it not", async () => {
    const { deps, asked } = aWorld();
    await measureDue(ROLLOUT_ID, deps);
    assert.deepEqual([asked[0]?.canary, asked[0]?.control], [[aUid(1)], [aUid(2)]]);
  });

  it("is numbered after those that were taken", async () => {
    const { deps, done } = aWorld({ readings: [aReading(0, NOW_MS - 60_000)] });
    await measureDue(ROLLOUT_ID, deps);
    assert.deepEqual(done, ["record 1", "look"]);
  });

  const none: readonly (readonly [name: string, given: Parameters<typeof aWorld>[0]])[] = [
    ["while the one before is young", { readings: [aReading(0, NOW_MS)] }],
    ["once there are enough", { readings: [aReading(0, NOW_MS), aReading(1, NOW_MS)] }],
    ["while the rollout is paused by people", { status: { phase: "paused", reason: "manual" } }],
    ["once it ended", { status: { phase: "halted", reason: "aborted", isSettled: true, endedAtMs: 1 } }],
  ];
  for (const [name, given] of none) {
    it(`is not there ${name}`, async () => {
      const { deps, asked, done } = aWorld(given);
      await measureDue(ROLLOUT_ID, deps);
      assert.deepEqual([asked, done], [[], []]);
    });
  }

  it("is not there for a rollout that is gone", async () => {
    const { deps, done } = aWorld();
    await measureDue(ROLLOUT_ID, { ...deps, loadRollout: async () => undefined });
    assert.deepEqual(done, []);
  });

  it("is dropped when the worker is ending: that it was cut short says nothing about the gate", async () => {
    const { deps, done, controller } = aWorld();
    const measure: MeasureDueDeps["measure"] = async (request, signal) => {
      controller.abort();
      assert.ok(signal.aborted);
      return { ...aReading(request.n, NOW_MS), outcome: "error", value: null };
    };
    await measureDue(ROLLOUT_ID, { ...deps, measure });
    assert.deepEqual(done, []);
  });
});
