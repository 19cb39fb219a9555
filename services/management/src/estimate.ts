// How long a rollout takes at least: every agent there, every agent good, every gate content at once. Pure. An estimate to
// plan by, not a promise: what limits it in truth are agents that are slow, away or unwell.

import type { Gate, RolloutSpec, Stage } from "@muster/fleet";

/** A supervisor says APPLIED this long after an offer. */
const APPLY_MS = 5_000;
const MINUTE_MS = 60_000;

/** Milliseconds, per stage and over all with the last watch. */
export interface Estimate {
  readonly stages: readonly number[];
  readonly total: number;
}

/** Estimates a rollout whose stages bring so many new agents each. */
export function estimate(spec: RolloutSpec, newAgents: readonly number[]): Estimate {
  const stages = spec.stages.map((stage, i) => stageMs(spec, stage, newAgents[i] ?? 0));
  const hasSome = newAgents.some((count) => count > 0);
  return { stages, total: stages.reduce((sum, ms) => sum + ms, 0) + (hasSome ? spec.timing.finalBakeMs : 0) };
}

function stageMs({ pace, timing }: RolloutSpec, stage: Stage, newAgents: number): number {
  if (newAgents === 0) return 0;
  const turnMs = APPLY_MS + timing.soakMs;
  const inFlight = Math.min(pace.maxInFlight ?? Infinity, stage.maxInFlight ?? Infinity);
  const turnsMs = (Math.ceil(newAgents / inFlight) - 1) * turnMs;
  // A minute's worth may go at once: 60 a minute and 90 agents take one minute and not one and a half.
  const rateMs = pace.maxPerMinute === null ? 0 : (Math.ceil(newAgents / pace.maxPerMinute) - 1) * MINUTE_MS;
  const gatesMs = stage.gates.reduce((sum, gate) => sum + gateMs(gate), 0);
  return Math.max(turnsMs, rateMs) + turnMs + stage.bakeMs + gatesMs;
}

function gateMs(gate: Gate): number {
  return gate.kind === "metric" ? gate.initialDelayMs + (gate.count - 1) * gate.intervalMs : 0;
}
