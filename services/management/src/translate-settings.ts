// What was asked of a rollout, in the API's words, with the defaults filled in. Pure; the reverse of parse-settings.ts and
// parse-stages.ts, which read what this writes as the same.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { FailureBudget, Gate, Policies, RolloutSpec, Stage, Timing, Window } from "@muster/fleet";
import {
  BreachAction,
  ConflictPolicy,
  type FailureBudgetSchema,
  MetricComparison,
  NewAgentsPolicy,
  OfflinePolicy,
  type RolloutGateSchema,
  type RolloutPaceSchema,
  type RolloutSettingsSchema,
  type RolloutStageSchema,
  type RolloutTimingSchema,
  StageOrder,
} from "@muster/protocol/muster/rollouts";

const CONFLICTS = {
  reject: ConflictPolicy.REJECT,
  queue: ConflictPolicy.QUEUE,
  supersede: ConflictPolicy.SUPERSEDE,
} as const satisfies Record<RolloutSpec["onConflict"], ConflictPolicy>;
const NEW_AGENTS = {
  by_rank: NewAgentsPolicy.BY_RANK,
  stable: NewAgentsPolicy.STABLE,
  hold: NewAgentsPolicy.HOLD,
} as const satisfies Record<Policies["newAgents"], NewAgentsPolicy>;
const OFFLINE = {
  defer: OfflinePolicy.DEFER,
  fail: OfflinePolicy.FAIL,
  exclude: OfflinePolicy.EXCLUDE,
} as const satisfies Record<Policies["offline"], OfflinePolicy>;
const BREACHES = {
  default: BreachAction.UNSPECIFIED,
  pause: BreachAction.PAUSE,
  halt: BreachAction.HALT,
  rollback: BreachAction.ROLLBACK,
} as const satisfies Record<FailureBudget["onBreach"], BreachAction>;
const ORDERS = {
  sticky_hash: StageOrder.STICKY_HASH,
  oldest_first: StageOrder.OLDEST_FIRST,
  risk_low_first: StageOrder.RISK_LOW_FIRST,
} as const satisfies Record<Stage["order"], StageOrder>;
const COMPARISONS = { ratio: MetricComparison.RATIO, difference: MetricComparison.DIFFERENCE } as const;

/** The settings of a rollout. */
export function toSettings(spec: RolloutSpec): MessageInitShape<typeof RolloutSettingsSchema> {
  const { retry, approval, policies } = spec;
  return {
    pace: toPace(spec),
    failureBudget: toBudget(spec.budget),
    timing: toTiming(spec.timing),
    retry: {
      maxAttempts: retry.maxAttempts,
      retryOn: [...retry.retryOn],
      backoff: durationFromMs(retry.backoff.baseMs),
      backoffFactor: retry.backoff.factor,
      backoffCap: durationFromMs(retry.backoff.capMs),
      requeueFailedHash: retry.requeueFailedHash,
    },
    approval: { required: approval.required, authorCounts: !approval.notAuthor, approverRole: approval.approverRole },
    newAgents: NEW_AGENTS[policies.newAgents],
    offline: OFFLINE[policies.offline],
    incapableFails: policies.incapable === "fail",
    minReachedPercent: policies.minReachedPercent,
    noCatchUp: !policies.catchUpAfterSuccess,
    onConflict: CONFLICTS[spec.onConflict],
    weight: spec.weight,
    seed: spec.seed,
  };
}

/** One stage. */
export function toStage(stage: Stage): MessageInitShape<typeof RolloutStageSchema> {
  return {
    size: toSize(stage),
    bake: durationFromMs(stage.bakeMs),
    name: stage.name,
    order: ORDERS[stage.order],
    maxInFlight: BigInt(stage.maxInFlight ?? 0),
    successMinPercent: stage.successMinPercent,
    gates: stage.gates.map(toGate),
    promotions: stage.promotions,
  };
}

function toSize({ size }: Stage) {
  switch (size.kind) {
    case "percent":
      return { case: "percent", value: size.percent } as const;
    case "count":
      return { case: "count", value: BigInt(size.count) } as const;
    case "selector":
      return { case: "selector", value: size.selector } as const;
  }
}

function toGate(gate: Gate): MessageInitShape<typeof RolloutGateSchema> {
  const { name } = gate;
  switch (gate.kind) {
    case "health":
      return { name, gate: { case: "health", value: {} } };
    case "dependency":
      return { name, gate: { case: "dependency", value: { rolloutId: gate.rolloutId } } };
    case "webhook": {
      const { url, timeoutMs, intervalMs, errorLimit, dryRun } = gate;
      const spans = { timeout: durationFromMs(timeoutMs), interval: durationFromMs(intervalMs) };
      return { name, gate: { case: "webhook", value: { url, ...spans, errorLimit, dryRun } } };
    }
    case "metric": {
      const { provider, query, count, failureLimit, inconclusiveLimit, errorLimit, dryRun, success, failure } = gate;
      const limits = { count, failureLimit, inconclusiveLimit, errorLimit };
      const spans = { initialDelay: durationFromMs(gate.initialDelayMs), interval: durationFromMs(gate.intervalMs) };
      const conditions = { ...(success !== null && { success }), ...(failure !== null && { failure }) };
      const compare = gate.compare === null ? MetricComparison.UNSPECIFIED : COMPARISONS[gate.compare];
      return {
        name,
        gate: { case: "metric", value: { provider, query, dryRun, compare, ...limits, ...spans, ...conditions } },
      };
    }
  }
}

function toPace({ pace }: RolloutSpec): MessageInitShape<typeof RolloutPaceSchema> {
  const { ramp } = pace;
  const isCapped = ramp !== null && ramp.maxPerMinute < Number.MAX_SAFE_INTEGER;
  return {
    maxPerMinute: BigInt(pace.maxPerMinute ?? 0),
    maxInFlight: BigInt(pace.maxInFlight ?? 0),
    failureDomainKey: pace.domainKey,
    maxUnavailablePerDomain: BigInt(pace.maxUnavailablePerDomain ?? 0),
    ...(ramp !== null && {
      ramp: {
        factor: ramp.factor,
        afterVerified: BigInt(ramp.afterVerified),
        maxPerMinute: isCapped ? BigInt(ramp.maxPerMinute) : 0n,
      },
    }),
  };
}

function toBudget({ criteria, onBreach }: FailureBudget): MessageInitShape<typeof FailureBudgetSchema> {
  return {
    onBreach: BREACHES[onBreach],
    criteria: criteria.map(({ kinds, percent, absolute, minSample, window }) => ({
      types: [...kinds],
      percent: percent ?? 0,
      absolute: BigInt(absolute ?? 0),
      minSample,
      stageOnly: window === "stage",
    })),
  };
}

function toTiming(timing: Timing): MessageInitShape<typeof RolloutTimingSchema> {
  const { stageDeadlineMs, startAtMs, endAtMs } = timing;
  return {
    soak: durationFromMs(timing.soakMs),
    darkTimeout: durationFromMs(timing.darkTimeoutMs),
    unhealthyGrace: durationFromMs(timing.unhealthyGraceMs),
    finalBake: durationFromMs(timing.finalBakeMs),
    revertWindow: durationFromMs(timing.revertWindowMs),
    endBehavior: BREACHES[timing.endBehavior],
    windows: timing.windows.map(toWindow),
    calendarIds: [...timing.calendarIds],
    ...(stageDeadlineMs !== null && { stageDeadline: durationFromMs(stageDeadlineMs) }),
    ...(startAtMs !== null && { startTime: timestampFromMs(startAtMs) }),
    ...(endAtMs !== null && { endTime: timestampFromMs(endAtMs) }),
  };
}

/** A recurring span of time. */
export function toWindow({ cron, durationMs, timeZone }: Window) {
  return { cron, duration: durationFromMs(durationMs), timeZone };
}
