// What a run's readings come to: medians with spread, ratios, and how targets stand. Pure.

import { type Spread, spreadOf } from "../measure/statistics.ts";
import type { Measured, Plan, RatioPlan, Reading, TargetPlan } from "./plan.ts";

/** One metric of one subject over all rounds. */
export interface Figure extends Spread {
  readonly subject: string;
  readonly metric: string;
}

/** One ratio over all rounds. */
export interface Ratio extends Spread {
  readonly id: string;
}

/** How a target stands. */
export interface TargetOutcome extends TargetPlan {
  /** The median; null when nothing measured it. */
  readonly value: number | null;
  /** Rounds in which it was measured, and those in which the limit was kept. */
  readonly rounds: number;
  readonly keptRounds: number;
  readonly verdict: "met" | "missed" | "not judged";
  /** Why it is not judged; else empty. */
  readonly reason: string;
}

/** All of it. */
export interface Summary {
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  readonly targets: readonly TargetOutcome[];
}

/** Fewer rounds have no median worth the name. */
const MIN_ROUNDS = 3;

/** Works out what a plan asks for. */
export function summarize(plan: Plan, readings: readonly Reading[], agents: number): Summary {
  const figures = figuresOf(plan, readings);
  const ratios = plan.ratios.flatMap((ratio) => spread({ id: ratio.id }, ratioValues(ratio, readings)));
  const targets = plan.targets.map((target) => judge(target, measuredValues(target.measured, plan, readings), agents));
  return { figures, ratios, targets };
}

function spread<Label extends object>(label: Label, values: readonly number[]): readonly (Label & Spread)[] {
  return values.length === 0 ? [] : [{ ...label, ...spreadOf(values) }];
}

function figuresOf({ metrics }: Plan, readings: readonly Reading[]): readonly Figure[] {
  const subjects = [...new Set(readings.map(({ subject }) => subject))];
  return metrics.flatMap(({ id }) =>
    subjects.flatMap((subject) => spread({ subject, metric: id }, metricValues(id, subject, readings))),
  );
}

function metricValues(metric: string, of: string, readings: readonly Reading[]): readonly number[] {
  return readings.flatMap(({ subject, values }) => (subject === of ? (values[metric] ?? []) : []));
}

/** Divided within each round, since what else a machine does changes from round to round; nothing without both. */
function ratioValues({ metric, of, to }: RatioPlan, readings: readonly Reading[]): readonly number[] {
  return readings.flatMap((reading) => {
    if (reading.subject !== of) return [];
    const other = readings.find(({ round, subject }) => round === reading.round && subject === to);
    const [above, below] = [reading.values[metric], other?.values[metric]];
    return above === undefined || below === undefined || above < 0 || below <= 0 ? [] : [above / below];
  });
}

function measuredValues(measured: Measured, plan: Plan, readings: readonly Reading[]): readonly number[] {
  switch (measured.kind) {
    case "metric":
      return metricValues(measured.metric, measured.subject, readings);
    case "ratio":
      return plan.ratios.filter(({ id }) => id === measured.ratio).flatMap((ratio) => ratioValues(ratio, readings));
  }
}

function judge(target: TargetPlan, values: readonly number[], agents: number): TargetOutcome {
  const isKept = (value: number): boolean =>
    target.bound === "at most" ? value <= target.limit : value >= target.limit;
  const value = values.length === 0 ? null : spreadOf(values).median;
  const outcome = { ...target, value, rounds: values.length, keptRounds: values.filter(isKept).length };
  const reason = whyNot(target, value, agents, values.length);
  if (reason !== "" || value === null) return { ...outcome, verdict: "not judged", reason };
  return { ...outcome, verdict: isKept(value) ? "met" : "missed", reason: "" };
}

function whyNot({ minAgents }: TargetPlan, value: number | null, agents: number, rounds: number): string {
  if (agents < minAgents) return `it takes ${minAgents} agents`;
  if (value === null) return "a server that it compares with did not take part";
  return rounds < MIN_ROUNDS ? `it takes ${MIN_ROUNDS} rounds` : "";
}
