// Rollouts in the API's words: fleet ⇄ proto. Pure.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  DEFAULT_APPLY_TIMEOUT_MS,
  FleetError,
  MAX_STAGES,
  MIN_APPLY_TIMEOUT_MS,
  type Rollout,
  type RolloutCounts,
  type RolloutPhase,
  type Stage,
  type StageSize,
  type StageState,
  type StageStatus,
  targetedCount,
  type Violation,
} from "@muster/fleet";
import {
  RolloutPhase as ProtoPhase,
  type RolloutStage as ProtoStage,
  StageState as ProtoStageState,
  type RolloutCountsSchema,
  type RolloutSchema,
  type RolloutStageStatusSchema,
} from "@muster/protocol/muster/rollouts";
import { invalid } from "./checked.ts";

const PHASE = {
  running: ProtoPhase.RUNNING,
  paused: ProtoPhase.PAUSED,
  succeeded: ProtoPhase.SUCCEEDED,
  halted: ProtoPhase.HALTED,
} as const satisfies Record<RolloutPhase, ProtoPhase>;

const STAGE_STATE = {
  pending: ProtoStageState.PENDING,
  converging: ProtoStageState.CONVERGING,
  baking: ProtoStageState.BAKING,
  passed: ProtoStageState.PASSED,
} as const satisfies Record<StageState, ProtoStageState>;

/** A rollout with how far it is. */
export function toRollout({ spec, status }: Rollout): MessageInitShape<typeof RolloutSchema> {
  return {
    rolloutId: spec.id,
    configId: spec.configId,
    revision: BigInt(spec.revision),
    selector: spec.selector,
    startReason: spec.reason,
    applyTimeout: durationFromMs(spec.applyTimeoutMs),
    stages: spec.stages.map((stage, i) => toStageStatus(stage, status.stages[i])),
    phase: PHASE[status.phase],
    reason: status.reason,
    message: status.message,
    stageIndex: status.stageIndex,
    counts: toCounts(status.counts),
    failures: status.failures.map(({ uid, state, error, since }) => {
      return { instanceUid: uid, state, errorMessage: error, since };
    }),
    generation: BigInt(spec.generation),
    observedGeneration: BigInt(status.observedGeneration),
    createTime: timestampFromMs(spec.createdAtMs),
    updateTime: timestampFromMs(status.updatedAtMs),
    ...(status.endedAtMs !== null && { endTime: timestampFromMs(status.endedAtMs) }),
  };
}

function toStageStatus(
  { size, bakeMs }: Stage,
  status: StageStatus | undefined,
): MessageInitShape<typeof RolloutStageStatusSchema> {
  const { startedAtMs = null, convergedAtMs = null } = status ?? {};
  return {
    stage: { size: toSize(size), bake: durationFromMs(bakeMs) },
    state: STAGE_STATE[status?.state ?? "pending"],
    size: BigInt(status?.size ?? 0),
    ...(startedAtMs !== null && { startTime: timestampFromMs(startedAtMs) }),
    ...(convergedAtMs !== null && { convergeTime: timestampFromMs(convergedAtMs) }),
  };
}

function toSize(size: StageSize) {
  switch (size.kind) {
    case "percent":
      return { case: "percent", value: size.percent } as const;
    case "count":
      return { case: "count", value: BigInt(size.count) } as const;
  }
}

function toCounts(counts: RolloutCounts): MessageInitShape<typeof RolloutCountsSchema> {
  return {
    targeted: BigInt(targetedCount(counts)),
    queued: BigInt(counts.queued),
    assigned: BigInt(counts.assigned),
    offered: BigInt(counts.offered),
    applying: BigInt(counts.applying),
    appliedUnverified: BigInt(counts.applied_unverified),
    verified: BigInt(counts.verified),
    failed: BigInt(counts.failed),
    timedOut: BigInt(counts.timed_out),
    offlineDeferred: BigInt(counts.offline_deferred),
    incapable: BigInt(counts.incapable),
    unhealthy: BigInt(counts.unhealthy),
    selfRolledBack: BigInt(counts.self_rolled_back),
    wentDark: BigInt(counts.went_dark),
    restoreOffered: BigInt(counts.restore_offered),
    restored: BigInt(counts.restored),
    restoreFailed: BigInt(counts.restore_failed),
  };
}

/** How long an offered agent may take. @throws FleetError `invalid` */
export function parseApplyTimeout(duration: Duration | undefined): number {
  const ms = duration === undefined ? DEFAULT_APPLY_TIMEOUT_MS : durationMs(duration);
  if (ms >= MIN_APPLY_TIMEOUT_MS) return ms;
  const reason = "a supervisor alone takes 5 s to answer";
  throw invalid("apply_timeout", `${ms / 1_000} s is less than ${MIN_APPLY_TIMEOUT_MS / 1_000} s; ${reason}.`);
}

/** Longest bake of a stage. */
const MAX_BAKE_MS = 30 * 86_400_000;

/**
 * The stages of a request, with a last one for everybody where there is none.
 * @throws FleetError `invalid` with everything that is wrong with any of them
 */
export function parseStages(stages: readonly ProtoStage[]): readonly Stage[] {
  if (stages.length > MAX_STAGES) {
    throw invalid("stages", `${stages.length} stages are more than the ${MAX_STAGES} a rollout may have.`);
  }
  const violations: Violation[] = [];
  const parsed = stages.map((stage, i) => parseStage(stage, `stages[${i}]`, violations));
  for (const [i, { size }] of parsed.entries())
    violations.push(...assessOrder(parsed.slice(0, i), size, `stages[${i}]`));
  const isComplete = isEverybody(parsed.at(-1)?.size);
  const complete = isComplete ? parsed : [...parsed, { size: { kind: "percent", percent: 100 } as const, bakeMs: 0 }];
  if (complete.length > MAX_STAGES) {
    const description = `${complete.length} stages are more than the ${MAX_STAGES} a rollout may have.`;
    violations.push({ field: "stages", description });
  }
  if (violations.length > 0) throw FleetError.invalid(violations);
  return complete;
}

function parseStage({ size, bake }: ProtoStage, field: string, violations: Violation[]): Stage {
  const bakeMs = bake === undefined ? 0 : durationMs(bake);
  if (bakeMs < 0 || bakeMs > MAX_BAKE_MS) {
    violations.push({ field: `${field}.bake`, description: "a bake time is not negative and not above 30 days." });
  }
  if (size.case === "count") {
    const isCount = size.value >= 1n && size.value <= BigInt(Number.MAX_SAFE_INTEGER);
    if (!isCount) violations.push({ field: `${field}.count`, description: `${size.value} is not a number from 1 on.` });
    return { size: { kind: "count", count: Number(size.value) }, bakeMs };
  }
  if (size.case === undefined) violations.push({ field, description: "give a percent or a count." });
  const percent = size.value ?? 100;
  if (!(percent > 0 && percent <= 100)) {
    violations.push({ field: `${field}.percent`, description: `${percent} is not above 0 and up to 100.` });
  }
  return { size: { kind: "percent", percent }, bakeMs };
}

/** Sizes are cumulative. A share and a number cannot be compared before the fleet is counted. */
function assessOrder(earlier: readonly Stage[], size: StageSize, field: string): readonly Violation[] {
  if (earlier.some((stage) => isEverybody(stage.size))) {
    return [{ field, description: "a stage before it reaches every agent already." }];
  }
  const before = earlier.findLast((stage) => stage.size.kind === size.kind)?.size;
  if (before === undefined || amountOf(size) > amountOf(before)) return [];
  const description = `${amountOf(size)} does not go beyond the ${amountOf(before)} of a stage before; sizes are cumulative.`;
  return [{ field: `${field}.${size.kind}`, description }];
}

function amountOf(size: StageSize): number {
  return size.kind === "percent" ? size.percent : size.count;
}

function isEverybody(size: StageSize | undefined): boolean {
  return size?.kind === "percent" && size.percent === 100;
}
