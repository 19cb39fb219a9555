// How many failures a rollout bears: criteria → verdict. Pure; plan.ts asks it on every pass, and logs what it answered
// with what it was asked.

import type { FailureKind } from "./rollout-states.ts";

/** One bound. It is breached when either limit is reached. */
export interface Criterion {
  /** The kinds of failure that count; none: all. */
  readonly kinds: readonly FailureKind[];
  /** Share of the agents that were assigned which breaches, 0 to 100, from this on; null: no share does. */
  readonly percent: number | null;
  /** Number of failures that breaches, from this on; null: no number does. */
  readonly absolute: number | null;
  /** Agents that must have been assigned before a share means anything. */
  readonly minSample: number;
  /** Whose failures count: those of the stage at work, or of all stages. */
  readonly window: "stage" | "rollout";
}

/** What a rollout bears, and what becomes of it when it is more. */
export interface FailureBudget {
  readonly criteria: readonly Criterion[];
  /** `default`: rollback in the first two stages, pause after. */
  readonly onBreach: "default" | "pause" | "halt" | "rollback";
}

/** What holds when nobody says otherwise: a tenth of at least five. */
export const DEFAULT_BUDGET: FailureBudget = {
  criteria: [{ kinds: [], percent: 10, absolute: null, minSample: 5, window: "rollout" }],
  onBreach: "default",
};

/** An agent that was assigned, as the budget sees it. */
export interface Outcome {
  /** The stage that reached it. */
  readonly stage: number;
  /** How it failed; null: it did not, or not yet. */
  readonly failure: FailureKind | null;
}

/** What one criterion made of the outcomes. */
export interface CriterionReading {
  readonly criterion: Criterion;
  readonly failed: number;
  readonly sample: number;
}

/** Three-way: a share of too few says nothing. */
export type BudgetVerdict =
  | { readonly kind: "pass" }
  | { readonly kind: "inconclusive"; readonly reading: CriterionReading }
  | { readonly kind: "fail"; readonly reading: CriterionReading };

/** Judges the outcomes so far against a budget; `stage` is the one at work. */
export function assessBudget(budget: FailureBudget, outcomes: readonly Outcome[], stage: number): BudgetVerdict {
  const readings = budget.criteria.map((criterion) => read(criterion, outcomes, stage));
  const breached = readings.find(isBreached);
  if (breached !== undefined) return { kind: "fail", reading: breached };
  const unsure = readings.find(({ criterion, failed, sample }) => {
    return criterion.percent !== null && failed > 0 && sample < criterion.minSample;
  });
  return unsure === undefined ? { kind: "pass" } : { kind: "inconclusive", reading: unsure };
}

/** What to do about a breach in this stage, from 0. */
export function breachAction({ onBreach }: FailureBudget, stage: number): "pause" | "halt" | "rollback" {
  if (onBreach !== "default") return onBreach;
  return stage < 2 ? "rollback" : "pause";
}

/** A reading as a sentence. */
export function budgetText({ criterion, failed, sample }: CriterionReading): string {
  const { kinds, percent, absolute, minSample, window } = criterion;
  const limits = [
    ...(absolute === null ? [] : [`${absolute} failures`]),
    ...(percent === null ? [] : [`${percent} % of at least ${minSample}`]),
  ];
  const what = kinds.length === 0 ? "" : ` (${kinds.join(", ").replaceAll("_", " ")})`;
  return `${failed} of ${sample} agents of the ${window} failed${what}; the budget ends at ${limits.join(" or ")}`;
}

/** A reading of too few as a sentence. */
export function doubtText({ criterion, failed, sample }: CriterionReading): string {
  const { minSample, window } = criterion;
  return `${failed} of ${sample} agents of the ${window} failed; the budget needs ${minSample} to tell whether that is too many`;
}

function read(criterion: Criterion, outcomes: readonly Outcome[], stage: number): CriterionReading {
  const seen = criterion.window === "rollout" ? outcomes : outcomes.filter((outcome) => outcome.stage === stage);
  const counts = (kind: FailureKind): boolean => criterion.kinds.length === 0 || criterion.kinds.includes(kind);
  return {
    criterion,
    failed: seen.filter(({ failure }) => failure !== null && counts(failure)).length,
    sample: seen.length,
  };
}

function isBreached({ criterion, failed, sample }: CriterionReading): boolean {
  const { percent, absolute, minSample } = criterion;
  if (failed === 0) return false;
  if (absolute !== null && failed >= absolute) return true;
  return percent !== null && sample >= minSample && failed * 100 >= percent * sample;
}
