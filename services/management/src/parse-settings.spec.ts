import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  DEFAULT_APPROVAL,
  DEFAULT_BUDGET,
  DEFAULT_PACE,
  DEFAULT_POLICIES,
  DEFAULT_RETRY,
  DEFAULT_TIMING,
  type FleetError,
} from "@muster/fleet";
import { aRollout, stages } from "@muster/fleet/builders";
import { type RolloutSettings, RolloutSettingsSchema, RolloutStageSchema } from "@muster/protocol/muster/rollouts";
import { parseSettings } from "./parse-settings.ts";
import { parseStages } from "./parse-stages.ts";
import { toSettings, toStage } from "./translate-settings.ts";

type Shape = Parameters<typeof create<typeof RolloutSettingsSchema>>[1];
const settings = (shape: Shape): RolloutSettings => create(RolloutSettingsSchema, shape);

describe("settings of a rollout", () => {
  it("are the defaults where nothing is said", () => {
    const { applyTimeoutMs: _, ...timing } = DEFAULT_TIMING;
    assert.deepEqual(parseSettings(undefined), {
      pace: DEFAULT_PACE,
      budget: DEFAULT_BUDGET,
      timing,
      retry: DEFAULT_RETRY,
      approval: DEFAULT_APPROVAL,
      policies: DEFAULT_POLICIES,
      onConflict: "reject",
      weight: 0,
      seed: "",
    });
  });

  it("are read as the same that they are told as", () => {
    const spec = aRollout(stages(100), {
      seed: "fixed",
      weight: 3,
      onConflict: "supersede",
      pace: {
        maxPerMinute: 60,
        maxInFlight: 20,
        ramp: { factor: 2, afterVerified: 10, maxPerMinute: 500 },
        domainKey: "zone",
        maxUnavailablePerDomain: 2,
      },
      budget: {
        criteria: [{ kinds: ["failed", "went_dark"], percent: 5, absolute: 3, minSample: 7, window: "stage" }],
        onBreach: "halt",
      },
      timing: {
        ...DEFAULT_TIMING,
        soakMs: 1_000,
        stageDeadlineMs: 60_000,
        startAtMs: 1_000,
        endAtMs: 2_000,
        endBehavior: "rollback",
        windows: [{ cron: "0 2 * * 1-5", durationMs: 3_600_000, timeZone: "Europe/Berlin" }],
        calendarIds: ["holidays"],
      },
      retry: {
        maxAttempts: 3,
        retryOn: ["timed_out", "went_dark"],
        backoff: { baseMs: 1_000, factor: 3, capMs: 9_000 },
        requeueFailedHash: true,
      },
      approval: { required: 2, approverRole: "sre", notAuthor: false },
      policies: {
        newAgents: "hold",
        offline: "exclude",
        incapable: "fail",
        minReachedPercent: 75,
        catchUpAfterSuccess: false,
      },
    });
    const { applyTimeoutMs: _, ...timing } = spec.timing;
    const { pace, budget, retry, approval, policies, onConflict, weight, seed } = spec;
    const read = parseSettings(settings(toSettings(spec)));
    assert.deepEqual(read, { pace, budget, timing, retry, approval, policies, onConflict, weight, seed });
  });

  const wrong: readonly { readonly name: string; readonly shape: Shape; readonly field: string }[] = [
    {
      name: "a ramp without a rate",
      shape: { pace: { ramp: { factor: 2, afterVerified: 1n } } },
      field: "settings.pace.ramp",
    },
    {
      name: "a ramp that does not grow",
      shape: { pace: { maxPerMinute: 1n, ramp: { factor: 1, afterVerified: 1n } } },
      field: "settings.pace.ramp",
    },
    {
      name: "a limit per domain without domains",
      shape: { pace: { maxUnavailablePerDomain: 1n } },
      field: "settings.pace.failure_domain_key",
    },
    { name: "a negative limit", shape: { pace: { maxInFlight: -1n } }, field: "settings.pace.max_in_flight" },
    {
      name: "a criterion without a bound",
      shape: { failureBudget: { criteria: [{}] } },
      field: "settings.failure_budget.criteria[0]",
    },
    {
      name: "a failure that there is not",
      shape: { failureBudget: { criteria: [{ absolute: 1n, types: ["sad"] }] } },
      field: "settings.failure_budget.criteria[0].types",
    },
    {
      name: "a span beyond a month",
      shape: { timing: { soak: durationFromMs(31 * 86_400_000) } },
      field: "settings.timing.soak",
    },
    {
      name: "an end before the start",
      shape: { timing: { startTime: timestampFromMs(2), endTime: timestampFromMs(1) } },
      field: "settings.timing.end_time",
    },
    {
      name: "a window that does not parse",
      shape: { timing: { windows: [{ cron: "x", duration: durationFromMs(1_000) }] } },
      field: "settings.timing.windows[0].cron",
    },
    {
      name: "a retry of what an agent failed",
      shape: { retry: { retryOn: ["failed"] } },
      field: "settings.retry.retry_on",
    },
    {
      name: "a choice that this server does not know",
      shape: { newAgents: 99 as never },
      field: "settings.new_agents",
    },
    { name: "a share beyond all", shape: { minReachedPercent: 101 }, field: "settings.min_reached_percent" },
  ];
  for (const { name, shape, field } of wrong) {
    it(`are refused with ${name}`, () => {
      assert.throws(
        () => parseSettings(settings(shape)),
        (error: FleetError) => {
          assert.deepEqual(
            error.violations.map((each) => each.field),
            [field],
          );
          return true;
        },
      );
    });
  }
});

describe("a stage", () => {
  it("is read as the same that it is told as, gates and all", () => {
    const [stage] = stages(100);
    assert.ok(stage !== undefined);
    const limits = { failureLimit: 1, inconclusiveLimit: 2, errorLimit: 3, dryRun: true } as const;
    const told = {
      ...stage,
      name: "canary",
      order: "oldest_first",
      maxInFlight: 5,
      successMinPercent: 95,
      promotions: 2,
      gates: [
        { kind: "health", name: "well" },
        {
          kind: "metric",
          name: "loss",
          provider: "prometheus",
          query: 'sum(up{id=~"$agents"})',
          initialDelayMs: 1_000,
          intervalMs: 2_000,
          count: 3,
          success: { op: "<", value: 1 },
          failure: null,
          compare: "ratio",
          ...limits,
        },
        {
          kind: "webhook",
          name: "ask",
          url: "https://ci.example.com/gate",
          timeoutMs: 1_000,
          intervalMs: 2_000,
          errorLimit: 1,
          dryRun: false,
        },
        { kind: "dependency", name: "first", rolloutId: aRollout([]).id },
      ],
    } as const satisfies typeof stage;
    assert.deepEqual(parseStages([create(RolloutStageSchema, toStage(told))], undefined, 10), [told]);
  });
});
