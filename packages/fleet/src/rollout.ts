// A rollout as data: what was asked (spec, written by management), how far it is (status, written by the rollout
// worker), and the tables of its phases and reasons. How it moves is plan.ts; what one agent is doing is assess.ts.

import type { FailureState, Rank } from "./desired.ts";
import type { ConfigHash, ConfigId, InstanceUid, RolloutId } from "./ids.ts";

/** How many agents have the revision when a stage is done: cumulative over the stages. */
export type StageSize =
  | { readonly kind: "percent" /** Above 0, to 100; rounded up to whole agents. */; readonly percent: number }
  | { readonly kind: "count" /** From 1. */; readonly count: number };

/** One step of a rollout. */
export interface Stage {
  readonly size: StageSize;
  /** How long the stage must stay good once its last agent is. */
  readonly bakeMs: number;
}

/** What operators may wish of a rollout that was started. */
export type RolloutWish = "run" | "pause" | "abort";

/** What was asked. `generation` counts the wishes, from 1. */
export interface RolloutSpec {
  readonly id: RolloutId;
  readonly configId: ConfigId;
  readonly revision: number;
  /** Hash of the revision. */
  readonly hash: ConfigHash;
  /** Who it is for and where it merges, as the config said when the rollout started. */
  readonly selector: string;
  readonly order: number;
  readonly stages: readonly Stage[];
  readonly applyTimeoutMs: number;
  readonly reason: string;
  readonly createdAtMs: number;
  readonly generation: number;
  readonly wish: RolloutWish;
  readonly wishReason: string;
}

/** Where a rollout is in its life. */
export type RolloutPhase = "running" | "paused" | "succeeded" | "halted";

/** Which phase may follow which; a phase without followers is an end. */
export const ROLLOUT_TRANSITIONS = {
  running: ["paused", "succeeded", "halted"],
  paused: ["running", "halted"],
  succeeded: [],
  halted: [],
} as const satisfies Record<RolloutPhase, readonly RolloutPhase[]>;

/** Why a rollout is where it is, with what it means. */
export const ROLLOUT_REASONS = {
  started: "The rollout began.",
  stage_started: "The agents of a stage are assigned the revision.",
  stage_baking: "All reachable agents of the stage are good; the bake time runs.",
  stage_reopened: "An agent of a baking stage is no longer good; the bake time starts over once it is.",
  waiting_for_agents: "Too many agents of the stage are offline; the stage waits for them.",
  rebuilding: "The fleet state was lost and is being told again by the agents; nothing moves until it is.",
  operator_paused: "An operator paused the rollout.",
  operator_resumed: "An operator resumed the rollout.",
  operator_aborted: "An operator ended the rollout; agents that were assigned the revision keep it.",
  agents_failed: "An agent failed, gave no answer in time or became unhealthy.",
  completed: "Every stage passed.",
} as const;

/** A key of ROLLOUT_REASONS. */
export type RolloutReason = keyof typeof ROLLOUT_REASONS;

/** Where a stage is in its life. */
export type StageState = "pending" | "converging" | "baking" | "passed";

/** Which stage state may follow which. */
export const STAGE_TRANSITIONS = {
  pending: ["converging"],
  converging: ["baking"],
  baking: ["passed", "converging"],
  passed: [],
} as const satisfies Record<StageState, readonly StageState[]>;

/** How far a stage is. */
export interface StageStatus {
  readonly state: StageState;
  /** How many agents it reaches, counted when it started; 0 before. */
  readonly size: number;
  readonly startedAtMs: number | null;
  readonly convergedAtMs: number | null;
}

/** What one targeted agent is doing, with what it means. */
export const AGENT_STATES = {
  queued: "Its stage has not come.",
  assigned: "The revision is assigned to it; no gateway has sent the offer yet.",
  offered: "The offer was sent; no answer yet.",
  applying: "It says that it is at work.",
  applied_unverified: "It says applied, but its health does not confirm it yet.",
  verified: "It applied the config and is healthy.",
  failed: "It said that it failed.",
  timed_out: "It gave no answer in time.",
  unhealthy: "It says applied, and is not healthy.",
  self_rolled_back: "It failed and went back to the config before by itself.",
  went_dark: "It went dark after the offer and did not come back.",
  restore_offered: "The revision failed it; it is given back what it had before.",
  restored: "The revision failed it; it has what it had before, and is healthy.",
  restore_failed: "The revision failed it, and so did what it had before.",
  offline_deferred: "It was offline before the offer; it is caught up when it returns.",
  incapable: "It does not accept remote configs.",
} as const;

/** A key of AGENT_STATES. */
export type AgentRolloutState = keyof typeof AGENT_STATES;

/** How many targeted agents are in each state. */
export type RolloutCounts = Readonly<Record<AgentRolloutState, number>>;

/** An agent that failed, with what it said. */
export interface RolloutFailure {
  readonly uid: InstanceUid;
  /** How it failed. */
  readonly state: FailureState;
  readonly error: string;
  /** How it fares since: the same as `state` until it is given back what it had. */
  readonly since: AgentRolloutState;
}

/** How far a rollout is. */
export interface RolloutStatus {
  /** The generation of the spec that was last acted on. */
  readonly observedGeneration: number;
  readonly phase: RolloutPhase;
  readonly reason: RolloutReason;
  readonly message: string;
  /** The stage at work, from 0. */
  readonly stageIndex: number;
  readonly stages: readonly StageStatus[];
  /** Agents with a rank up to this one have the revision. */
  readonly cutoff: Rank;
  /** Agents with a rank up to this one are in a stage that passed. */
  readonly passedCutoff: Rank;
  readonly counts: RolloutCounts;
  /** A few of the failures that count. */
  readonly failures: readonly RolloutFailure[];
  /** Failures an operator accepted by resuming; they no longer hold the rollout. */
  readonly acceptedFailures: readonly InstanceUid[];
  readonly updatedAtMs: number;
  readonly endedAtMs: number | null;
}

/** A rollout with its spec and its status. */
export interface Rollout {
  readonly spec: RolloutSpec;
  readonly status: RolloutStatus;
}

/** How long an offered agent may take when nobody says otherwise. */
export const DEFAULT_APPLY_TIMEOUT_MS = 5 * 60_000;
/** A supervisor needs five seconds before it says APPLIED; a shorter patience would fail every agent. */
export const MIN_APPLY_TIMEOUT_MS = 10_000;
/** Stages a rollout may have. */
export const MAX_STAGES = 50;

/** No agent in any state. */
export const NO_COUNTS: RolloutCounts = {
  queued: 0,
  assigned: 0,
  offered: 0,
  applying: 0,
  applied_unverified: 0,
  verified: 0,
  failed: 0,
  timed_out: 0,
  unhealthy: 0,
  self_rolled_back: 0,
  went_dark: 0,
  restore_offered: 0,
  restored: 0,
  restore_failed: 0,
  offline_deferred: 0,
  incapable: 0,
};

/** The status of a rollout that was just asked for. */
export function initialStatus(spec: RolloutSpec): RolloutStatus {
  return {
    observedGeneration: 0,
    phase: "running",
    reason: "started",
    message: `Rollout of ${spec.configId} revision ${spec.revision} begins.`,
    stageIndex: 0,
    stages: spec.stages.map(() => ({ state: "pending", size: 0, startedAtMs: null, convergedAtMs: null })),
    cutoff: "",
    passedCutoff: "",
    counts: NO_COUNTS,
    failures: [],
    acceptedFailures: [],
    updatedAtMs: spec.createdAtMs,
    endedAtMs: null,
  };
}

/** Whether nothing more will happen to a rollout in this phase. */
export function isEnded(phase: RolloutPhase): boolean {
  return ROLLOUT_TRANSITIONS[phase].length === 0;
}

/** All targeted agents. */
export function targetedCount(counts: RolloutCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** How many agents have the revision at the end of a stage: a share is rounded up, neither exceeds the fleet. */
export function stageSize(size: StageSize, fleetSize: number): number {
  switch (size.kind) {
    case "percent":
      // The tiny term keeps 7 % of 100 at 7, though 0.07 * 100 is a hair more than 7 in binary.
      return Math.min(fleetSize, Math.ceil((fleetSize * size.percent) / 100 - 1e-9));
    case "count":
      return Math.min(fleetSize, size.count);
  }
}
