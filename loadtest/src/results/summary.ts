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

/** How a target stands; `measured` is the median, null when nothing measured it. */
export interface TargetOutcome extends TargetPlan {
  readonly value: number | null;
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
  const ratios = plan.ratios.flatMap((ratio) => ratioOf(ratio, readings));
  const rounds = new Set(readings.map(({ round }) => round)).size;
  const targets = plan.targets.map((target) =>
    judge(target, medianOf(target.measured, figures, ratios), agents, rounds),
  );
  return { figures, ratios, targets };
}

function figuresOf({ metrics }: Plan, readings: readonly Reading[]): readonly Figure[] {
  const subjects = [...new Set(readings.map(({ subject }) => subject))];
  return metrics.flatMap(({ id }) =>
    subjects.flatMap((subject) => {
      const values = readings.flatMap((reading) => (reading.subject === subject ? (reading.values[id] ?? []) : []));
      return values.length === 0 ? [] : [{ subject, metric: id, ...spreadOf(values) }];
    }),
  );
}

/** Divided within each round, since what else a machine does changes from round to round; nothing without both. */
function ratioOf({ id, metric, of, to }: RatioPlan, readings: readonly Reading[]): readonly Ratio[] {
  const values = readings.flatMap((reading) => {
    if (reading.subject !== of) return [];
    const other = readings.find(({ round, subject }) => round === reading.round && subject === to);
    const [above, below] = [reading.values[metric], other?.values[metric]];
    return above === undefined || below === undefined || below <= 0 ? [] : [above / below];
  });
  return values.length === 0 ? [] : [{ id, ...spreadOf(values) }];
}

function medianOf(measured: Measured, figures: readonly Figure[], ratios: readonly Ratio[]): number | null {
  switch (measured.kind) {
    case "metric":
      return (
        figures.find(({ metric, subject }) => metric === measured.metric && subject === measured.subject)?.median ??
        null
      );
    case "ratio":
      return ratios.find(({ id }) => id === measured.ratio)?.median ?? null;
  }
}

function judge(target: TargetPlan, value: number | null, agents: number, rounds: number): TargetOutcome {
  const reason = whyNot(target, value, agents, rounds);
  if (reason !== "" || value === null) return { ...target, value, verdict: "not judged", reason };
  const isMet = target.bound === "at most" ? value <= target.limit : value >= target.limit;
  return { ...target, value, verdict: isMet ? "met" : "missed", reason: "" };
}

function whyNot({ minAgents }: TargetPlan, value: number | null, agents: number, rounds: number): string {
  if (value === null) return "a server that it compares with did not take part";
  if (agents < minAgents) return `it takes ${minAgents} agents`;
  return rounds < MIN_ROUNDS ? `it takes ${MIN_ROUNDS} rounds` : "";
}
