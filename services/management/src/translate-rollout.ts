// Rollouts in the API's words: fleet → proto. Pure. What was asked is translated back by translate-settings.ts, with the
// defaults filled in.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Decision,
  type InstanceUid,
  type Judged,
  type Rollout,
  type RolloutCounts,
  type RolloutPhase,
  type RolloutSpec,
  type Stage,
  type StageState,
  type StageStatus,
  targetedCount,
} from "@muster/fleet";
import {
  RolloutPhase as ProtoPhase,
  StageState as ProtoStageState,
  type RolloutAgentSchema,
  type RolloutApprovalSchema,
  type RolloutCountsSchema,
  type RolloutEventSchema,
  type RolloutSchema,
  type RolloutStageStatusSchema,
} from "@muster/protocol/muster/rollouts";
import { toSettings, toStage } from "./translate-settings.ts";

const PHASE = {
  draft: ProtoPhase.DRAFT,
  validating: ProtoPhase.VALIDATING,
  invalid: ProtoPhase.INVALID,
  awaiting_approval: ProtoPhase.AWAITING_APPROVAL,
  rejected: ProtoPhase.REJECTED,
  scheduled: ProtoPhase.SCHEDULED,
  running: ProtoPhase.RUNNING,
  paused: ProtoPhase.PAUSED,
  baking_final: ProtoPhase.BAKING_FINAL,
  succeeded: ProtoPhase.SUCCEEDED,
  reverting: ProtoPhase.REVERTING,
  reverted: ProtoPhase.REVERTED,
  halted: ProtoPhase.HALTED,
  rolling_back: ProtoPhase.ROLLING_BACK,
  rolled_back: ProtoPhase.ROLLED_BACK,
  rollback_incomplete: ProtoPhase.ROLLBACK_INCOMPLETE,
  superseded: ProtoPhase.SUPERSEDED,
  cancelled: ProtoPhase.CANCELLED,
} as const satisfies Record<RolloutPhase, ProtoPhase>;

const STAGE_STATE = {
  pending: ProtoStageState.PENDING,
  dispatching: ProtoStageState.DISPATCHING,
  converging: ProtoStageState.CONVERGING,
  baking: ProtoStageState.BAKING,
  gating: ProtoStageState.GATING,
  awaiting_promotion: ProtoStageState.AWAITING_PROMOTION,
  passed: ProtoStageState.PASSED,
  failed: ProtoStageState.FAILED,
  skipped: ProtoStageState.SKIPPED,
} as const satisfies Record<StageState, ProtoStageState>;

/** A rollout with how far it is. */
export function toRollout({ spec, status }: Rollout): MessageInitShape<typeof RolloutSchema> {
  return {
    rolloutId: spec.id,
    configId: spec.configId,
    revision: BigInt(spec.revision),
    configHash: spec.hash,
    selector: spec.selector,
    startReason: spec.reason,
    applyTimeout: durationFromMs(spec.timing.applyTimeoutMs),
    stages: spec.stages.map((stage, i) => toStageStatus(stage, status.stages[i])),
    settings: toSettings(spec),
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
    author: spec.author,
    source: spec.source,
    commit: spec.commit,
    components: [...spec.components],
    approvals: toApprovals(spec),
    createTime: timestampFromMs(spec.createdAtMs),
    updateTime: timestampFromMs(status.updatedAtMs),
    ...(status.startedAtMs !== null && { startTime: timestampFromMs(status.startedAtMs) }),
    ...(status.endedAtMs !== null && { endTime: timestampFromMs(status.endedAtMs) }),
  };
}

function toStageStatus(
  stage: Stage,
  status: StageStatus | undefined,
): MessageInitShape<typeof RolloutStageStatusSchema> {
  const { startedAtMs = null, convergedAtMs = null } = status ?? {};
  return {
    stage: toStage(stage),
    state: STAGE_STATE[status?.state ?? "pending"],
    size: BigInt(status?.size ?? 0),
    ...(startedAtMs !== null && { startTime: timestampFromMs(startedAtMs) }),
    ...(convergedAtMs !== null && { convergeTime: timestampFromMs(convergedAtMs) }),
  };
}

function toApprovals({ approvals, promotions }: RolloutSpec): MessageInitShape<typeof RolloutApprovalSchema>[] {
  const all = [...approvals, ...promotions].sort((a, b) => a.atMs - b.atMs);
  return all.map((each) => ({
    user: each.by,
    time: timestampFromMs(each.atMs),
    remark: each.remark,
    ...("stage" in each && typeof each.stage === "number" && { stage: each.stage }),
  }));
}

function toCounts(counts: RolloutCounts): MessageInitShape<typeof RolloutCountsSchema> {
  const named = Object.entries(counts).map(([state, count]) => [camelCase(state), BigInt(count)]);
  // The states of agents are the fields of the message, one for one (translate-rollout.spec.ts).
  return { targeted: BigInt(targetedCount(counts)), ...Object.fromEntries(named) };
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** One agent that is in a rollout no more. */
export function toRemovedAgent(instanceUid: InstanceUid) {
  return { instanceUid, state: "removed" as const } satisfies MessageInitShape<typeof RolloutAgentSchema>;
}

/** One agent in a rollout. */
export function toRolloutAgent(judged: Judged) {
  const { agent, state, stage, domain, failure } = judged;
  return {
    instanceUid: agent.view.uid,
    state,
    failureDomain: domain,
    failure: failure?.state ?? "",
    errorMessage: failure?.error ?? "",
    missingComponents: [...(agent.lacking ?? [])],
    connected: agent.view.connection?.value.ended === null,
    ...(stage !== null && { stage }),
  } satisfies MessageInitShape<typeof RolloutAgentSchema>;
}

/** A line of a decision log. */
export function toEvent({
  atMs,
  kind,
  phase,
  reason,
  message,
  stage,
  agents,
  inputs,
}: Decision): MessageInitShape<typeof RolloutEventSchema> {
  return {
    time: timestampFromMs(atMs),
    kind,
    phase: PHASE[phase],
    reason,
    message,
    instanceUids: [...agents],
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, String(value)])),
    ...(stage !== null && { stage }),
  };
}
