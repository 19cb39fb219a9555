import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { initialStatus, type RolloutPhase, type RolloutWish } from "@muster/fleet";
import { aRollout, stages } from "@muster/fleet/builders";
import { type Verb, wished } from "./wish.ts";

interface Case {
  readonly phase: RolloutPhase;
  /** A wish that no worker has seen. */
  readonly pending?: RolloutWish;
  readonly allowed: readonly Verb[];
}

const cases: readonly Case[] = [
  { phase: "running", allowed: ["pause", "abort"] },
  { phase: "paused", allowed: ["resume", "abort"] },
  { phase: "succeeded", allowed: [] },
  { phase: "halted", allowed: [] },
  { phase: "running", pending: "pause", allowed: ["resume", "abort"] },
  { phase: "running", pending: "run", allowed: ["pause", "abort"] },
  { phase: "paused", pending: "run", allowed: ["pause", "abort"] },
  { phase: "paused", pending: "abort", allowed: [] },
  { phase: "succeeded", pending: "pause", allowed: [] },
];

describe("a verb on a rollout", () => {
  for (const { phase, pending, allowed } of cases) {
    const when = pending === undefined ? phase : `${phase} with an unseen wish to ${pending}`;
    for (const verb of ["pause", "resume", "abort"] as const) {
      it(`${allowed.includes(verb) ? "may" : "may not"} be ${verb} when it is ${when}`, () => {
        const spec = aRollout(stages(100), { generation: 4, wish: pending ?? "run" });
        const status = { ...initialStatus(spec), phase, observedGeneration: pending === undefined ? 4 : 3 };
        if (!allowed.includes(verb)) {
          assert.throws(() => wished({ spec, status }, verb, "why"), { code: "failed_precondition" });
          return;
        }
        const next = wished({ spec, status }, verb, "why");
        assert.deepEqual([next.generation, next.wishReason], [5, "why"]);
      });
    }
  }

  it("names the state and the verbs that make sense", () => {
    const spec = aRollout(stages(100));
    const status = { ...initialStatus(spec), observedGeneration: 1 };
    assert.throws(() => wished({ spec, status }, "resume", ""), {
      message: /is running and cannot be resumed; pause or abort it instead\./,
      details: { rollout_id: spec.id, phase: "running", verbs: "pause,abort" },
    });
  });
});
