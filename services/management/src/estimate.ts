// How long a rollout takes at least: every agent there, every agent good, every gate content at once. Pure. An estimate to
// plan by, not a promise: what limits it in truth are agents that are slow, away or unwell.

import { type Gate, type RolloutSpec, ratePerMinute, type Stage } from "@muster/fleet";

/** A supervisor says APPLIED this long after an offer. */
const APPLY_MS = 5_000;
const MINUTE_MS = 60_000;

/** What a stage brings. */
export interface StageLoad {
  /** Agents that no stage before it reached. */
  readonly newAgents: number;
  /** Of these, those of the failure domain that has most of them. */
  readonly inLargestDomain: number;
}

/** Milliseconds, per stage and over all with the last watch. */
export interface Estimate {
  readonly stages: readonly number[];
  readonly total: number;
}

/** Estimates a rollout whose stages bring so many agents each. */
export function estimate(spec: RolloutSpec, loads: readonly StageLoad[]): Estimate {
  let verified = 0;
  const stages = spec.stages.map((stage, i) => {
    const load = loads[i] ?? { newAgents: 0, inLargestDomain: 0 };
    const ms = stageMs(spec, stage, load, verified);
    verified += load.newAgents;
    return ms;
  });
  return { stages, total: stages.reduce((sum, ms) => sum + ms, 0) + (verified > 0 ? spec.timing.finalBakeMs : 0) };
}

function stageMs(
  { pace, timing }: RolloutSpec,
  stage: Stage,
  { newAgents, inLargestDomain }: StageLoad,
  verified: number,
): number {
  if (newAgents === 0) return 0;
  const turnMs = APPLY_MS + timing.soakMs;
  const inFlight = Math.min(pace.maxInFlight ?? Infinity, stage.maxInFlight ?? Infinity);
  const turns = Math.max(newAgents / inFlight, inLargestDomain / (pace.maxUnavailablePerDomain ?? Infinity));
  const turnsMs = (Math.max(1, Math.ceil(turns)) - 1) * turnMs;
  const gatesMs = stage.gates.reduce((sum, gate) => sum + gateMs(gate), 0);
  return Math.max(turnsMs, assignMs(pace, newAgents, verified, turnMs)) + turnMs + stage.bakeMs + gatesMs;
}

/**
 * How long it takes to assign so many. A minute's worth may go at once: 90 agents at 60 a minute take one minute and not one
 * and a half. A ramp grows with those that were verified, a turn after they were assigned.
 */
function assignMs(pace: RolloutSpec["pace"], newAgents: number, verifiedBefore: number, turnMs: number): number {
  const turnMinutes = Math.ceil(turnMs / MINUTE_MS);
  const assigned: number[] = [];
  let [left, verified] = [newAgents, verifiedBefore];
  for (;;) {
    verified += assigned[assigned.length - turnMinutes] ?? 0;
    const rate = ratePerMinute(pace, verified);
    if (rate === null || left <= rate) return assigned.length * MINUTE_MS;
    assigned.push(rate);
    left -= rate;
  }
}

function gateMs(gate: Gate): number {
  return gate.kind === "metric" ? gate.initialDelayMs + (gate.count - 1) * gate.intervalMs : 0;
}
