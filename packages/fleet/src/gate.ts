// What a stage is asked before it may pass, beside the health of its agents: the kinds of gates, what one measurement of
// them comes to, and what verdict many add up to. gate-rules.ts says which gates may be asked for, gate-verdict.ts judges,
// gate-query.ts names agents in queries. Taking measurements is the worker's part (services/rollout/src/measure.ts).

import type { RolloutId } from "./ids.ts";

/** Compares a number that was measured. */
export interface Condition {
  readonly op: "<" | "<=" | ">" | ">=" | "==" | "!=";
  readonly value: number;
}

/** A number that a provider of metrics is asked for, again and again. */
export interface MetricGate {
  readonly kind: "metric";
  readonly name: string;
  /** `prometheus`; workers know where it is. */
  readonly provider: string;
  /** In the provider's language. `$agents` stands for the agents (see `compare`). */
  readonly query: string;
  /** Wait before the first measurement. */
  readonly initialDelayMs: number;
  readonly intervalMs: number;
  /** Measurements that are taken: those that erred do not count and are taken again, failures that are borne count. */
  readonly count: number;
  /** Null: whatever is no failure is a success. Both null is refused. */
  readonly success: Condition | null;
  /** Null: whatever is no success is a failure. With both, what is neither is inconclusive, and what is both a failure. */
  readonly failure: Condition | null;
  /** Failed measurements that are borne. */
  readonly failureLimit: number;
  readonly inconclusiveLimit: number;
  /** Errors in a row that are borne. */
  readonly errorLimit: number;
  /** Measured and logged, but never in the way. */
  readonly dryRun: boolean;
  /**
   * With it the query is asked twice, `$agents` standing for the agents of the stages so far and for those that still have
   * the old revision, and the conditions apply to canary/control or canary-control. Null: asked once, for the former.
   */
  readonly compare: "ratio" | "difference" | null;
}

/** Asks a service of the operators', which answers pass, fail, inconclusive or "not yet". */
export interface WebhookGate {
  readonly kind: "webhook";
  readonly name: string;
  readonly url: string;
  readonly timeoutMs: number;
  /** Errors in a row that are borne, each asked again after `intervalMs`. */
  readonly errorLimit: number;
  /** When to ask again after an error or a "not yet". */
  readonly intervalMs: number;
  readonly dryRun: boolean;
}

/** Another rollout must have succeeded. */
export interface DependencyGate {
  readonly kind: "dependency";
  readonly name: string;
  readonly rolloutId: RolloutId;
}

/** Every agent of the stage that can be reached must be healthy at that moment, also those that were accepted. */
export interface HealthGate {
  readonly kind: "health";
  readonly name: string;
}

export type Gate = HealthGate | MetricGate | WebhookGate | DependencyGate;

/** What one measurement came to; `value` is null where there is none. */
export interface Reading {
  /** Stage and gate by index. Measurements of one gate count from 0 and on, also when its stage comes to its gates again. */
  readonly stage: number;
  readonly gate: number;
  readonly n: number;
  readonly atMs: number;
  readonly outcome: "success" | "failure" | "inconclusive" | "error" | "not_yet";
  /** Finite: records are JSON. */
  readonly value: number | null;
  /** For people: what was asked and what came of it. */
  readonly message: string;
}

/** The verdict of a gate over its readings. */
export type GateVerdict =
  /** The next measurement, numbered `n`, is due at `dueAtMs`. */
  | { readonly kind: "measuring"; readonly n: number; readonly dueAtMs: number }
  | { readonly kind: "pass" | "fail" | "inconclusive"; readonly message: string };
