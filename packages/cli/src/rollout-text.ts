// Rollouts as people read them: a table of many, a live picture of one, a line per change where nothing can be
// redrawn. Pure.

import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Rollout,
  type RolloutCounts,
  type RolloutFailure,
  RolloutPhase,
  type RolloutStageStatus,
  StageState,
} from "@muster/protocol/muster/rollouts";
import { formatTable } from "./table.ts";
import { counted, formatAge, formatSpan, oneLine, wordOf } from "./text.ts";

const PHASE_WORDS = {
  [RolloutPhase.UNSPECIFIED]: "?",
  [RolloutPhase.RUNNING]: "running",
  [RolloutPhase.PAUSED]: "paused",
  [RolloutPhase.SUCCEEDED]: "succeeded",
  [RolloutPhase.HALTED]: "halted",
  [RolloutPhase.DRAFT]: "draft",
  [RolloutPhase.VALIDATING]: "validating",
  [RolloutPhase.INVALID]: "invalid",
  [RolloutPhase.AWAITING_APPROVAL]: "awaiting approval",
  [RolloutPhase.REJECTED]: "rejected",
  [RolloutPhase.SCHEDULED]: "scheduled",
  [RolloutPhase.BAKING_FINAL]: "baking, last",
  [RolloutPhase.REVERTING]: "reverting",
  [RolloutPhase.REVERTED]: "reverted",
  [RolloutPhase.ROLLING_BACK]: "rolling back",
  [RolloutPhase.ROLLED_BACK]: "rolled back",
  [RolloutPhase.ROLLBACK_INCOMPLETE]: "rollback incomplete",
  [RolloutPhase.SUPERSEDED]: "superseded",
  [RolloutPhase.CANCELLED]: "cancelled",
} as const satisfies Record<RolloutPhase, string>;

const STAGE_WORDS = {
  [StageState.UNSPECIFIED]: "?",
  [StageState.PENDING]: "pending",
  [StageState.CONVERGING]: "converging",
  [StageState.BAKING]: "baking",
  [StageState.PASSED]: "passed",
  [StageState.DISPATCHING]: "dispatching",
  [StageState.GATING]: "at its gates",
  [StageState.AWAITING_PROMOTION]: "awaiting promotion",
  [StageState.FAILED]: "failed",
  [StageState.SKIPPED]: "skipped",
} as const satisfies Record<StageState, string>;

/** The states of agents in the order of their way, good ends first. */
const COUNT_WORDS = {
  verified: "verified",
  alreadyCurrent: "had it already",
  appliedUnverified: "applied, not verified",
  applying: "applying",
  offered: "offered",
  assigned: "assigned",
  held: "held",
  queued: "queued",
  failed: "failed",
  selfRolledBack: "failed, went back",
  timedOut: "timed out",
  wentDark: "went dark",
  unhealthy: "unhealthy",
  restoreOffered: "failed, given back",
  restored: "failed, restored",
  restoreFailed: "failed, not restored",
  rollbackOffered: "being taken back",
  rolledBack: "taken back",
  rollbackFailed: "not taken back",
  offlineDeferred: "offline, later",
  incapable: "not capable",
  superseded: "superseded",
  removed: "gone",
} as const satisfies Record<CountName, string>;

type CountName = Exclude<keyof RolloutCounts, "targeted" | "$typeName" | "$unknown">;

const BAR_CHARS = 24;

/** `running`, `halted`, … */
export function phaseText(rollout: Rollout): string {
  return wordOf(PHASE_WORDS, rollout.phase);
}

/** A table of rollouts. */
export function formatRollouts(rollouts: readonly Rollout[], nowMs: number): string {
  const head = ["ROLLOUT", "CONFIG", "PHASE", "STAGE", "VERIFIED", "STARTED", "MESSAGE"];
  const rows = rollouts.map((rollout) => [
    rollout.rolloutId,
    `${rollout.configId}@${rollout.revision}`,
    phaseText(rollout),
    `${stageNumber(rollout)}/${rollout.stages.length}`,
    `${rollout.counts?.verified ?? 0n}/${rollout.counts?.targeted ?? 0n}`,
    formatAge(rollout.createTime === undefined ? null : timestampMs(rollout.createTime), nowMs),
    oneLine(rollout.message, 60),
  ]);
  return formatTable(head, rows);
}

/** Everything about one rollout, as lines; the picture that a watch redraws. */
export function formatRollout(rollout: Rollout, nowMs: number): string {
  const { rolloutId, configId, revision, selector, startReason, stages, failures, counts } = rollout;
  const reason = startReason === "" ? "" : ` (${oneLine(startReason, 80)})`;
  const sizes = stages.map(sizeText);
  const width = Math.max(0, ...sizes.map((size) => size.length));
  const lines = [
    `rollout ${rolloutId}: ${configId}@${revision} to ${selector || "every agent"}${reason}`,
    "",
    ...stages.map((stage, i) => stageLine(rollout, stage, i, (sizes[i] ?? "").padStart(width), nowMs)),
    "",
    countsText(counts),
    `${phaseText(rollout)}${wishText(rollout)}: ${oneLine(rollout.message, 300)}`,
    ...failures.map(
      (f) =>
        `  ${f.instanceUid} ${f.state.replaceAll("_", " ")}${sinceText(f)}: ${oneLine(f.errorMessage, 160) || "no word"}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

/** A rollout as one line, for where nothing can be redrawn. */
export function formatRolloutLine(rollout: Rollout): string {
  const stage = rollout.stages[rollout.stageIndex];
  const state = stage === undefined ? "" : ` ${wordOf(STAGE_WORDS, stage.state)}`;
  const where = `stage ${stageNumber(rollout)}/${rollout.stages.length}${state}`;
  return `${phaseText(rollout)} · ${where} · ${countsText(rollout.counts)} · ${oneLine(rollout.message, 200)}\n`;
}

function sinceText({ state, since }: RolloutFailure): string {
  return since === state || since === "" ? "" : `, ${since.replaceAll("_", " ")} since`;
}

function stageNumber({ stageIndex, stages }: Rollout): number {
  return Math.min(stageIndex + 1, stages.length);
}

/** `10%`, `25` or a selector. */
export function sizeText({ stage }: Pick<RolloutStageStatus, "stage">): string {
  return stage?.size.case === "percent" ? `${stage.size.value}%` : `${stage?.size.value ?? "?"}`;
}

function stageLine(rollout: Rollout, status: RolloutStageStatus, index: number, size: string, nowMs: number): string {
  const isOver = status.state === StageState.PASSED || status.state === StageState.SKIPPED;
  const isAtWork = index === rollout.stageIndex && !isOver;
  const mark = isOver ? "✔" : status.state === StageState.FAILED ? "✘" : isAtWork ? "▶" : " ";
  const share = shareDone(rollout.counts, status);
  const agents = status.size === 0n ? "" : ` ${counted(status.size, "agent")}`;
  return `${mark} ${index + 1}  ${size}  ${bar(share)}  ${wordOf(STAGE_WORDS, status.state)}${bakeText(status, nowMs)}${agents}`;
}

/** Sizes are cumulative, so the agents that are done count against the stage at work. */
function shareDone(counts: RolloutCounts | undefined, { state, size }: RolloutStageStatus): number {
  if (state === StageState.PENDING || state === StageState.FAILED) return 0;
  if (state !== StageState.CONVERGING && state !== StageState.DISPATCHING) return 1;
  if (counts === undefined || size === 0n) return 0;
  const done = counts.verified + counts.alreadyCurrent + counts.offlineDeferred;
  return Math.min(1, Number(done) / Number(size));
}

function bar(share: number): string {
  const full = Math.floor(share * BAR_CHARS);
  return "█".repeat(full) + "░".repeat(BAR_CHARS - full);
}

function bakeText({ state, stage, convergeTime }: RolloutStageStatus, nowMs: number): string {
  const bakeMs = stage?.bake === undefined ? 0 : durationMs(stage.bake);
  if (state !== StageState.BAKING || bakeMs === 0 || convergeTime === undefined) return "";
  const leftMs = Math.max(0, timestampMs(convergeTime) + bakeMs - nowMs);
  return `, ${formatSpan(Math.ceil(leftMs / 1_000) * 1_000)} left,`;
}

function countsText(counts: RolloutCounts | undefined): string {
  if (counts === undefined) return "no agents counted yet";
  const states = Object.entries(COUNT_WORDS) as [CountName, string][]; // its own keys
  const parts = states.filter(([name]) => counts[name] > 0n).map(([name, words]) => `${counts[name]} ${words}`);
  const all = counted(counts.targeted, "agent");
  return parts.length === 0 ? all : `${all}: ${parts.join(", ")}`;
}

/** A wish that no worker has seen yet. */
function wishText({ generation, observedGeneration }: Rollout): string {
  return generation > observedGeneration && observedGeneration > 0n ? " (a wish is on its way)" : "";
}
