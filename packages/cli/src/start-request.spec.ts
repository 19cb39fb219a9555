import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { BreachAction, ConflictPolicy, StartRolloutRequestSchema } from "@muster/protocol/muster/rollouts";
import { stagesOption } from "./input.ts";
import { startRequest } from "./start-request.ts";

describe("what a rollout is to be", () => {
  it("is left to the server where nothing is typed, but for one stage for everybody", () => {
    const { stages, settings, source, configId } = startRequest("base", {});
    assert.deepEqual([configId, source, stages.length, stages[0]?.bake], ["base", "cli", 1, undefined]);
    assert.deepEqual(
      [settings?.timing?.soak, settings?.failureBudget, settings?.approval],
      [undefined, undefined, undefined],
    );
  });

  it("is what a policy says where nothing is typed", () => {
    const { stages, policyId } = startRequest("base", { policy: "careful" });
    assert.deepEqual([stages, policyId], [[], "careful"]);
    assert.equal(startRequest("base", { policy: "careful", stages: stagesOption("5%") }).stages.length, 1);
    assert.throws(() => startRequest("base", { policy: "careful", bake: 1_000 }), /--bake is for --stages/);
  });

  it("is as typed", () => {
    const { stages, settings, quarantineOverride } = startRequest("base", {
      stages: stagesOption("10%:5s,100%"),
      bake: 1_000,
      soak: 2_000,
      finalBake: 3_000,
      maxInFlight: 4,
      maxPerMinute: 5,
      domain: "zone",
      maxUnavailable: 6,
      maxFailures: 0,
      onBreach: "halt",
      onConflict: "queue",
      approvals: 2,
      at: 7_000,
      calendar: ["holidays"],
      overrideQuarantine: "it was the network",
    });
    assert.deepEqual(
      stages.map(({ bake }) => (bake === undefined ? null : durationMs(bake))),
      [5_000, 1_000],
    );
    const { pace, timing, failureBudget, approval, onConflict } = settings ?? assert.fail("no settings");
    assert.deepEqual(
      [pace?.maxInFlight, pace?.maxPerMinute, pace?.failureDomainKey, pace?.maxUnavailablePerDomain],
      [4n, 5n, "zone", 6n],
    );
    const spans = [timing?.soak, timing?.finalBake].map((span) => (span === undefined ? null : durationMs(span)));
    assert.deepEqual(
      [...spans, timing?.startTime && timestampMs(timing.startTime), timing?.calendarIds],
      [2_000, 3_000, 7_000, ["holidays"]],
    );
    assert.deepEqual(
      [failureBudget?.criteria[0]?.absolute, failureBudget?.onBreach],
      [1n, BreachAction.HALT],
      "none is borne",
    );
    assert.deepEqual(
      [approval?.required, onConflict, quarantineOverride],
      [2, ConflictPolicy.QUEUE, "it was the network"],
    );
  });

  it("is what a file says, and over it what is typed", () => {
    const base = create(StartRolloutRequestSchema, {
      configId: "other",
      reason: "nightly",
      stages: [
        { size: { case: "selector", value: "tier=canary" } },
        { size: { case: "percent", value: 100 }, bake: durationFromMs(9_000) },
      ],
      settings: { pace: { maxInFlight: 9n }, timing: { soak: durationFromMs(1_000) } },
    });
    const { configId, reason, stages, settings } = startRequest("base", { bake: 2_000, finalBake: 0 }, base);
    assert.deepEqual([configId, reason], ["base", "nightly"]);
    assert.deepEqual(
      stages.map(({ bake }) => (bake === undefined ? null : durationMs(bake))),
      [2_000, 9_000],
      "typed for those that the file leaves open",
    );
    assert.deepEqual(
      [settings?.pace?.maxInFlight, settings?.timing?.soak && durationMs(settings.timing.soak)],
      [9n, 1_000],
    );
    assert.equal(startRequest("base", { stages: stagesOption("5") }, base).stages.length, 1);
  });
});
