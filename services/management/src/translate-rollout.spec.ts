import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AGENT_STATES, DEFAULT_STAGE, initialStatus, type RolloutCounts, type Stage } from "@muster/fleet";
import { aRollout, aUid } from "@muster/fleet/builders";
import { RolloutPhase, RolloutSchema, StageState } from "@muster/protocol/muster/rollouts";
import { toRollout } from "./translate-rollout.ts";

const everybody: Stage = { ...DEFAULT_STAGE, size: { kind: "percent", percent: 100 } };

describe("a rollout", () => {
  it("is told field by field", () => {
    const spec = aRollout([{ ...everybody, size: { kind: "count", count: 5 }, bakeMs: 30_000 }, everybody], {
      reason: "because",
    });
    const states = Object.keys(AGENT_STATES) as (keyof RolloutCounts)[];
    const counts = Object.fromEntries(states.map((state, i) => [state, i + 1])) as RolloutCounts;
    const [first, second] = initialStatus(spec).stages;
    const status = {
      ...initialStatus(spec),
      phase: "paused",
      reason: "inconclusive",
      counts,
      stages: [{ ...first, state: "baking", size: 5, startedAtMs: 1_000, convergedAtMs: 2_000 }, second],
      failures: [{ uid: aUid(), state: "failed", error: "said no", since: "restored" }],
      endedAtMs: 3_000,
    } as Parameters<typeof toRollout>[0]["status"]; // literal strings stay wide in a spread
    const rollout = create(RolloutSchema, toRollout({ spec, status }));
    assert.equal(rollout.phase, RolloutPhase.PAUSED);
    assert.equal(rollout.reason, "inconclusive");
    assert.equal(rollout.startReason, "because");
    assert.deepEqual(rollout.stages[0]?.stage?.size, { case: "count", value: 5n });
    assert.equal(rollout.stages[0]?.stage?.bake?.seconds, 30n);
    assert.deepEqual(
      rollout.stages.map((stage) => [stage.state, stage.size, stage.startTime?.seconds, stage.convergeTime?.seconds]),
      [
        [StageState.BAKING, 5n, 1n, 2n],
        [StageState.PENDING, 0n, undefined, undefined],
      ],
    );
    assert.equal(rollout.failures[0]?.instanceUid, aUid());
    assert.equal(rollout.endTime?.seconds, 3n);
  });

  it("has counts that add up, whatever states there are", () => {
    const states = Object.keys(AGENT_STATES) as (keyof RolloutCounts)[];
    const counts = Object.fromEntries(states.map((state, i) => [state, 2 ** i])) as RolloutCounts;
    const spec = aRollout([everybody]);
    const told = create(RolloutSchema, toRollout({ spec, status: { ...initialStatus(spec), counts } })).counts;
    const { targeted, $typeName: _, $unknown: __, ...rest } = told ?? assert.fail("no counts");
    const sum = Object.values(rest).reduce((total: bigint, each: bigint) => total + each, 0n);
    assert.equal(sum - rest.removed, targeted, "who was removed is not targeted");
    assert.equal(sum, BigInt(2 ** states.length - 1));
  });
});
