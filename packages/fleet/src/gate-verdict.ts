// Judges the gates that are measured: one value, then all readings of a gate so far. Pure. The rules are those of Argo
// Rollouts' AnalysisRun: a limit says how many are borne, and the first one beyond it ends the gate. Health and
// dependency gates are not measured; plan.ts judges them.
//
// Readings are judged in their order and the first verdict stands, whatever was measured after it, so that every worker
// answers the same from the same readings.

import type { Condition, GateVerdict, MetricGate, Reading, WebhookGate } from "./gate.ts";

/** What a value that was measured is. NaN (0/0, no data to divide) says nothing: it is inconclusive. */
export function judgeValue(
  { success, failure }: Pick<MetricGate, "success" | "failure">,
  value: number,
): "success" | "failure" | "inconclusive" {
  if (Number.isNaN(value)) return "inconclusive";
  if (failure !== null && holds(failure, value)) return "failure";
  if (success === null) return failure === null ? "inconclusive" : "success";
  if (holds(success, value)) return "success";
  return failure === null ? "failure" : "inconclusive";
}

/**
 * The verdict of a gate, or when its next measurement is due.
 *
 * A metric gate passes with its `count`-th measurement. Before that it fails with failure `failureLimit + 1`, and is
 * inconclusive with inconclusive measurement `inconclusiveLimit + 1` or with error `errorLimit + 1` in a row. A webhook
 * gate ends with the first answer that is neither an error nor "not yet", which is asked again and breaks a row of errors.
 * A dry run ends when the gate would, and always passes.
 *
 * `count: 3, failureLimit: 1`: success, failure, success → pass · failure, failure → fail ·
 * error, success, success → the next is due.
 *
 * @param readings all of this gate in the order of `n`. Those from before `gatingSinceMs` are of an earlier time at the
 *   gates: they do not count, but the numbering goes on after them.
 * @param nowMs bounds the wait: clocks that were set back do not hold a gate for longer than its own delays.
 */
export function assessGate(
  gate: MetricGate | WebhookGate,
  readings: readonly Reading[],
  gatingSinceMs: number,
  nowMs: number,
): GateVerdict {
  const verdict = verdictOf(
    gate,
    readings.filter(({ atMs }) => atMs >= gatingSinceMs),
  );
  if (verdict !== null) return gate.dryRun ? { kind: "pass", message: dryRunText(verdict) } : verdict;
  const last = readings.at(-1);
  const delayMs = gate.kind === "metric" ? gate.initialDelayMs : 0;
  const firstAtMs = gatingSinceMs + delayMs;
  const dueAtMs = Math.max(firstAtMs, last === undefined ? firstAtMs : last.atMs + gate.intervalMs);
  return {
    kind: "measuring",
    n: last === undefined ? 0 : last.n + 1,
    dueAtMs: Math.min(dueAtMs, nowMs + Math.max(delayMs, gate.intervalMs)),
  };
}

type Ended = Exclude<GateVerdict, { readonly kind: "measuring" }>;

/** Null: not yet. Messages go on after "Gate x failed:". */
function verdictOf(gate: MetricGate | WebhookGate, readings: readonly Reading[]): Ended | null {
  const { errorLimit } = gate;
  const { count, failureLimit, inconclusiveLimit } = limitsOf(gate);
  const seen = { success: 0, failure: 0, inconclusive: 0, error: 0, not_yet: 0 };
  let errorsInRow = 0;
  for (const { outcome, message } of readings) {
    seen[outcome] += 1;
    errorsInRow = outcome === "error" ? errorsInRow + 1 : 0;
    if (seen.failure > failureLimit) {
      return { kind: "fail", message: beyond(seen.failure, "failed", failureLimit, message) };
    }
    if (seen.inconclusive > inconclusiveLimit) {
      return { kind: "inconclusive", message: beyond(seen.inconclusive, "could not tell", inconclusiveLimit, message) };
    }
    if (errorsInRow > errorLimit) {
      const many = errorsInRow === 1 ? ":" : `, ${errorsInRow} errors in a row; the last:`;
      return { kind: "inconclusive", message: `it could not be measured${many} ${message}` };
    }
    if (seen.success + seen.failure + seen.inconclusive >= count) {
      const good = `${seen.success} of ${count} measurements were good; the last: ${message}`;
      return { kind: "pass", message: count === 1 ? message : good };
    }
  }
  return null;
}

function limitsOf(gate: MetricGate | WebhookGate) {
  return gate.kind === "metric" ? gate : { count: 1, failureLimit: 0, inconclusiveLimit: 0 };
}

/** What the last one said is all there is to say where none is borne. */
function beyond(count: number, did: string, limit: number, last: string): string {
  if (limit === 0) return last;
  return `${count} measurements ${did}, ${limit} ${limit === 1 ? "is" : "are"} borne; the last: ${last}`;
}

function dryRunText({ kind, message }: Ended): string {
  const would = { pass: "passed", fail: "failed", inconclusive: "been inconclusive" }[kind];
  return `dry run, would have ${would}: ${message}`;
}

function holds({ op, value: bound }: Condition, value: number): boolean {
  switch (op) {
    case "<":
      return value < bound;
    case "<=":
      return value <= bound;
    case ">":
      return value > bound;
    case ">=":
      return value >= bound;
    case "==":
      return value === bound;
    case "!=":
      return value !== bound;
  }
}
