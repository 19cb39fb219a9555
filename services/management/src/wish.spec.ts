import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { initialStatus, ROLLOUT_PHASES, type RolloutPhase, type RolloutStatus, type RolloutWish } from "@muster/fleet";
import { aRollout, stages } from "@muster/fleet/builders";
import { abortWish, amended, mustAccept, mustAllow, VERBS, type Verb, wished } from "./wish.ts";

const ALL = Object.keys({
  pause: true,
  resume: true,
  abort: true,
  revert: true,
  retry: true,
  promote: true,
  approve: true,
} satisfies Record<Verb, true>) as Verb[]; // the keys of the literal
const WHO = { by: "ada", reason: "why", atMs: 5 };

interface Case {
  readonly phase: RolloutPhase;
  /** A wish that no worker has seen. */
  readonly pending?: RolloutWish;
  readonly allowed: readonly Verb[];
}

const cases: readonly Case[] = [
  { phase: "draft", allowed: VERBS.waiting },
  { phase: "validating", allowed: VERBS.waiting },
  { phase: "awaiting_approval", allowed: VERBS.waiting },
  { phase: "scheduled", allowed: VERBS.waiting },
  { phase: "running", allowed: VERBS.running },
  { phase: "baking_final", allowed: VERBS.running },
  { phase: "paused", allowed: VERBS.paused },
  { phase: "rolling_back", allowed: ["abort"] },
  { phase: "reverting", allowed: ["abort"] },
  { phase: "succeeded", allowed: ["revert"] },
  { phase: "halted", allowed: [] },
  { phase: "rolled_back", allowed: [] },
  { phase: "rollback_incomplete", allowed: [] },
  { phase: "reverted", allowed: [] },
  { phase: "invalid", allowed: [] },
  { phase: "rejected", allowed: [] },
  { phase: "superseded", allowed: [] },
  { phase: "cancelled", allowed: [] },
  { phase: "running", pending: "pause", allowed: VERBS.paused },
  { phase: "running", pending: "run", allowed: VERBS.running },
  { phase: "running", pending: "rollback", allowed: ["abort"] },
  { phase: "paused", pending: "abort", allowed: [] },
  { phase: "scheduled", pending: "cancel", allowed: [] },
  { phase: "succeeded", pending: "revert", allowed: ["abort"] },
];

function aRolloutIn(phase: RolloutPhase, pending?: RolloutWish, status: Partial<RolloutStatus> = {}) {
  const wish = pending ?? "run";
  const spec = aRollout(stages(100), { generation: 4, wish, wishGeneration: pending === undefined ? 1 : 4 });
  return {
    spec,
    status: { ...initialStatus(spec), phase, observedGeneration: pending === undefined ? 4 : 3, ...status },
  };
}

describe("a verb on a rollout", () => {
  for (const { phase, pending, allowed } of cases) {
    const when = pending === undefined ? phase : `${phase} with an unseen wish to ${pending}`;
    it(`may be ${allowed.join(", ") || "none"} when it is ${when}`, () => {
      const rollout = aRolloutIn(phase, pending);
      const found = ALL.filter((verb) => {
        try {
          mustAllow(rollout, verb);
          return true;
        } catch (error) {
          assert.equal(Reflect.get(error as object, "code"), "failed_precondition");
          return false;
        }
      });
      assert.deepEqual([...found].sort(), [...allowed].sort());
    });
  }

  it("has a case for every phase", () => {
    const seen = new Set(cases.map(({ phase }) => phase));
    assert.deepEqual([...seen].sort(), Object.keys(ROLLOUT_PHASES).sort());
  });

  it("names the state and the verbs that make sense", () => {
    const rollout = aRolloutIn("running");
    assert.throws(() => mustAllow(rollout, "resume"), {
      message: /is running and cannot be resumed; pause or abort or retry or promote or approve it instead\./,
      details: { rollout_id: rollout.spec.id, phase: "running", verbs: "pause,abort,retry,promote,approve" },
    });
  });

  it("becomes a new generation with who wished it, and forgets that failures were once accepted", () => {
    const { spec } = aRolloutIn("running");
    const next = wished({ ...spec, acceptsFailures: true }, "pause", WHO);
    const { generation, wishGeneration, wish, wishReason, wishedBy, acceptsFailures } = next;
    assert.deepEqual(
      [generation, wishGeneration, wish, wishReason, wishedBy, acceptsFailures],
      [5, 5, "pause", "why", "ada", false],
    );
    const later = amended(next, { weight: 3 });
    assert.deepEqual([later.generation, later.wishGeneration, later.weight], [6, 5, 3], "an approval is no wish");
  });
});

describe("going on", () => {
  for (const reason of ["error_budget", "inconclusive", "gate"] as const) {
    it(`after ${reason} takes an explicit word`, () => {
      const rollout = aRolloutIn("paused", undefined, { reason });
      assert.throws(() => mustAccept(rollout, false), { code: "failed_precondition", reason: "FAILURES_NOT_ACCEPTED" });
      mustAccept(rollout, true);
    });
  }
  it("after a pause that an operator made takes none", () => {
    mustAccept(aRolloutIn("paused", undefined, { reason: "manual" }), false);
  });
});

describe("an abort", () => {
  it("cancels what has not begun, and else ends or takes back", () => {
    assert.equal(abortWish(aRolloutIn("scheduled"), false), "cancel");
    assert.equal(abortWish(aRolloutIn("scheduled"), true), "rollback", "it may begin before a worker sees this");
    assert.equal(abortWish(aRolloutIn("running"), false), "abort");
    assert.equal(abortWish(aRolloutIn("paused"), true), "rollback");
  });
});
