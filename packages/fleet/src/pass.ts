// One pass over a rollout while it is being planned: the status as it stands, and the decisions that led there. Pure
// values; every step of the plan takes a pass and answers the next.

import type { CohortAgent } from "./assess.ts";
import type { breachAction } from "./budget.ts";
import type { Calendar } from "./calendar.ts";
import type { FailureState } from "./desired.ts";
import { assertNever, FleetError } from "./error.ts";
import type { Reading } from "./gate.ts";
import type { InstanceUid, RolloutId } from "./ids.ts";
import { countStates, type Judged, judge, type WaveEntry } from "./judge.ts";
import type { RolloutSpec, RolloutStatus, StageStatus } from "./rollout.ts";
import {
  isEnded,
  ROLLOUT_TRANSITIONS,
  type RolloutPhase,
  type RolloutReason,
  STAGE_TRANSITIONS,
  type StageState,
} from "./rollout-states.ts";

/** What a pass looks at. */
export interface PlanInput {
  readonly spec: RolloutSpec;
  readonly status: RolloutStatus;
  /** Every agent that the rollout's selector matches now. */
  readonly cohort: readonly CohortAgent[];
  /** Agents that it reached and that it is for no more. */
  readonly removedCount: number;
  /** Agents that were admitted by the pass before. */
  readonly wave: readonly WaveEntry[];
  /** What the gates of this rollout measured. */
  readonly readings: readonly Reading[];
  /** Those that the rollout heeds; one that it names and that is missing was deleted, and freezes nothing. */
  readonly calendars: readonly Calendar[];
  readonly peers: Peers;
  /** Why the content is quarantined; null: it is not. */
  readonly quarantine: string | null;
  /** When the fleet state was last lost; 0: never. */
  readonly fleetLostAtMs: number;
  readonly nowMs: number;
}

/** The rollouts around this one. */
export interface Peers {
  /** Those at work on other configs, with the terms that they judge agents on: whom they have on their way waits. */
  readonly others: ReadonlyMap<RolloutId, RolloutSpec>;
  /** Agents that these have admitted, and maybe not assigned yet. */
  readonly waved: ReadonlySet<InstanceUid>;
  /** Whether it cannot be told yet whom they have on their way: they take agents at will, or did until a moment ago. */
  readonly isUnsettled: boolean;
  /** The one that has the config; null: none has. */
  readonly holder: RolloutId | null;
  /** Whether another that waits for the config goes first. */
  readonly isBehind: boolean;
  /** Whether this one succeeded, and what another brought is stable now. */
  readonly isReplaced: boolean;
  /** A newer one that is to take the place of this. */
  readonly supersededBy: RolloutId | null;
  /** Phases of those that gates of this depend on. */
  readonly phases: ReadonlyMap<RolloutId, RolloutPhase>;
}

/** Nobody else is there. */
export const NO_PEERS: Peers = {
  others: new Map(),
  waved: new Set(),
  isUnsettled: false,
  holder: null,
  isBehind: false,
  isReplaced: false,
  supersededBy: null,
  phases: new Map(),
};

/** One line of a rollout's decision log: what was decided, and on what. */
export interface Decision {
  readonly atMs: number;
  readonly kind: "phase" | "stage" | "gate" | "agent" | "wave" | "operator";
  readonly phase: RolloutPhase;
  /** Why; of what is about one agent, how that failed. */
  readonly reason: RolloutReason | FailureState;
  readonly message: string;
  /** Stage that it is about, from 0; null: none. */
  readonly stage: number | null;
  /** Agents that it is about, a few of them. */
  readonly agents: readonly InstanceUid[];
  /** The figures it rests on. */
  readonly inputs: Readonly<Record<string, string | number | boolean | null>>;
}

/** The figures of a decision. */
export type Inputs = Decision["inputs"];

/** A pass that is under way. */
export interface Pass {
  readonly input: PlanInput;
  readonly status: RolloutStatus;
  readonly judged: readonly Judged[];
  /** What the agents were judged under. */
  readonly judgedUnder: Basis | null;
  readonly decisions: readonly Decision[];
}

/** What an agent's judgement rests on beside the agent. */
interface Basis {
  readonly status: RolloutStatus;
  readonly wave: readonly WaveEntry[];
}

/** Agents that a decision names. */
const MAX_NAMED = 10;

/** Begins a pass. */
export function beginPass(input: PlanInput): Pass {
  return withJudged({ input, status: input.status, judged: [], judgedUnder: null, decisions: [] });
}

/** Judges everybody anew under the status as it stands: counts say what the pass decided. */
export function withJudged(pass: Pass, wave: readonly WaveEntry[] = pass.input.wave): Pass {
  const judgedUnder = { status: pass.status, wave };
  const isKnown = pass.judgedUnder !== null && isSameBasis(pass.judgedUnder, judgedUnder);
  const judged = isKnown ? pass.judged : judge({ ...pass.input, wave }, pass.status);
  return { ...pass, judged, judgedUnder, status: { ...pass.status, counts: countStates(judged) } };
}

/** Whether everybody would be judged the same: a pass asks after every step, and most steps change nothing of it. */
function isSameBasis(a: Basis, b: Basis): boolean {
  const [x, y] = [a.status, b.status];
  const isSameStatus = isEnded(x.phase) === isEnded(y.phase) && x.startedAtMs === y.startedAtMs;
  const isSameReach = x.stages === y.stages && x.acceptedStorms === y.acceptedStorms && x.isPaced === y.isPaced;
  return isSameStatus && isSameReach && (!y.isPaced || a.wave === b.wave);
}

/** Whether it goes on by itself: it assigns or bakes, and nothing holds it back. */
export function isGoing({ status: { phase } }: Pass): boolean {
  return phase === "running" || phase === "baking_final";
}

/** Changes a status without a decision. */
export function withStatus(pass: Pass, change: Partial<RolloutStatus>): Pass {
  return { ...pass, status: { ...pass.status, ...change } };
}

/** Changes phase as the table allows, with why; logged unless it is where the pass before left it. */
export function enter(
  pass: Pass,
  phase: RolloutPhase,
  reason: RolloutReason,
  message: string,
  inputs: Inputs = {},
): Pass {
  const { status } = pass;
  const allowed: readonly RolloutPhase[] = ROLLOUT_TRANSITIONS[status.phase];
  if (phase !== status.phase && !allowed.includes(phase)) {
    throw new FleetError("internal", `a rollout cannot go from ${status.phase} to ${phase}`);
  }
  const moved = withStatus(pass, { phase, reason, message });
  const before = pass.input.status;
  if (before.phase === phase && before.reason === reason) return moved;
  return log(moved, { kind: "phase", reason, message, inputs });
}

/** Ends a rollout. */
export function end(
  pass: Pass,
  phase: RolloutPhase,
  reason: RolloutReason,
  message: string,
  inputs: Inputs = {},
): Pass {
  return withStatus(enter(pass, phase, reason, message, inputs), { endedAtMs: pass.input.nowMs });
}

/** Changes the state of the stage at work, as the table allows. */
export function enterStage(pass: Pass, change: Partial<StageStatus> & { readonly state: StageState }): Pass {
  const { stageIndex, stages } = pass.status;
  const before = stages[stageIndex];
  if (before === undefined) throw new FleetError("internal", `there is no stage ${stageIndex}`);
  const allowed: readonly StageState[] = STAGE_TRANSITIONS[before.state];
  if (change.state !== before.state && !allowed.includes(change.state)) {
    throw new FleetError("internal", `a stage cannot go from ${before.state} to ${change.state}`);
  }
  return withStatus(pass, { stages: stages.with(stageIndex, { ...before, ...change }) });
}

/** Adds a line to the log. */
export function log(
  pass: Pass,
  {
    kind,
    reason,
    message,
    inputs = {},
    agents = [],
    stage = stageAtWork(pass),
  }: Pick<Decision, "kind" | "reason" | "message"> & Partial<Decision>,
): Pass {
  const decision: Decision = {
    atMs: pass.input.nowMs,
    kind,
    phase: pass.status.phase,
    reason,
    message,
    stage,
    agents: agents.slice(0, MAX_NAMED),
    inputs,
  };
  return { ...pass, decisions: [...pass.decisions, decision] };
}

/** The stage at work; null before the first and after the last. */
function stageAtWork({ status: { startedAtMs, stageIndex, stages } }: Pass): number | null {
  return startedAtMs === null || stageIndex >= stages.length ? null : stageIndex;
}

/** Pauses, ends or takes back. */
export function act(
  pass: Pass,
  action: ReturnType<typeof breachAction>,
  reason: RolloutReason,
  message: string,
  inputs: Inputs = {},
): Pass {
  switch (action) {
    case "pause":
      return enter(pass, "paused", reason, message, inputs);
    case "halt":
      return end(failStage(pass), "halted", reason, `${message}. ${keptBy(pass)}`, inputs);
    case "rollback":
      return enter(failStage(pass), "rolling_back", reason, message, inputs);
    default:
      return assertNever(action);
  }
}

/** The stage at work is what the rollout ends on. */
export function failStage(pass: Pass): Pass {
  const state = pass.status.stages[pass.status.stageIndex]?.state;
  if (state === undefined || state === "passed" || state === "skipped" || state === "failed") return pass;
  return enterStage(pass, { state: "failed" });
}

/** Who keeps what a rollout brought that ends where it is. */
export function keptBy({ judged, input }: Pass): string {
  const keptCount = judged.filter(({ isDispatched, failure }) => isDispatched && failure === null).length;
  if (keptCount === 0) return "No agent keeps it.";
  const who = keptCount === 1 ? "1 agent keeps" : `${keptCount} agents keep`;
  return `${who} revision ${input.spec.revision}; roll out another to bring them back.`;
}

/** `1 agent`, `2 agents`. */
export function agentsText(count: number): string {
  return count === 1 ? "1 agent" : `${count} agents`;
}

/** A sentence with somebody's reason. */
export function because(sentence: string, reason: string): string {
  return reason === "" ? `${sentence}.` : `${sentence}: ${reason}`;
}
