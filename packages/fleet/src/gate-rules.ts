// Which gates may be asked for: everything that is wrong with one, before it is stored. Pure. Fields are named as in the
// API (`initial_delay`), relative to the gate.

import { assertNever, type Violation } from "./error.ts";
import type { Condition, Gate, MetricGate, WebhookGate } from "./gate.ts";
import { AGENTS_PLACEHOLDER } from "./gate-query.ts";

/** Providers of metrics that there are. */
export const METRIC_PROVIDERS = ["prometheus"] as const;
/** Shortest time between two measurements. */
export const MIN_GATE_INTERVAL_MS = 1_000;
/** Measurements that a gate may want: each is a row in its history. */
export const MAX_GATE_COUNT = 1_000;
/** A webhook holds a worker while it thinks; whoever needs longer answers "not yet". */
export const MAX_WEBHOOK_TIMEOUT_MS = 30_000;

const MAX_NAME_LENGTH = 100;
const MAX_QUERY_LENGTH = 10_000;
const MAX_URL_LENGTH = 2_000;

/** Everything that keeps this gate from being asked for; empty when it may be. */
export function assessGates(gate: Gate): readonly Violation[] {
  return [...assessName(gate.name), ...assessRest(gate)];
}

function assessRest(gate: Gate): readonly Violation[] {
  switch (gate.kind) {
    case "health":
    case "dependency":
      return [];
    case "metric":
      return [...assessMetric(gate), ...assessPace(gate)];
    case "webhook":
      return [...assessUrl(gate.url), ...assessTimeout(gate), ...assessPace(gate)];
    default:
      return assertNever(gate);
  }
}

function assessName(name: string): readonly Violation[] {
  const isGood = name.trim() !== "" && name.length <= MAX_NAME_LENGTH;
  return check("name", isGood, `Name the gate with 1 to ${MAX_NAME_LENGTH} characters.`);
}

function assessMetric(gate: MetricGate): readonly Violation[] {
  const { provider, query, count, success, failure, compare } = gate;
  const providers: readonly string[] = METRIC_PROVIDERS;
  const isAsked = query.trim() !== "" && query.length <= MAX_QUERY_LENGTH;
  return [
    ...check("provider", providers.includes(provider), `"${provider}" is not known; use ${providers.join(" or ")}.`),
    ...check("query", isAsked, `Give a query of 1 to ${MAX_QUERY_LENGTH} characters.`),
    ...check(
      "query",
      compare === null || query.includes(AGENTS_PLACEHOLDER),
      `A comparison asks the query once for the new and once for the old; say with ${AGENTS_PLACEHOLDER} where the agents go.`,
    ),
    ...check("initial_delay", isCount(gate.initialDelayMs), "The delay must not be negative."),
    ...check("count", isCount(count, 1) && count <= MAX_GATE_COUNT, `Take 1 to ${MAX_GATE_COUNT} measurements.`),
    ...check("success", success !== null || failure !== null, "Say what a success is, or what a failure is, or both."),
    ...assessCondition("success", success),
    ...assessCondition("failure", failure),
    ...assessLimit("failure_limit", gate.failureLimit),
    ...assessLimit("inconclusive_limit", gate.inconclusiveLimit),
  ];
}

function assessCondition(field: string, condition: Condition | null): readonly Violation[] {
  return check(field, condition === null || Number.isFinite(condition.value), "Compare with a finite number.");
}

function assessPace({ intervalMs, errorLimit }: MetricGate | WebhookGate): readonly Violation[] {
  const isSlow = isCount(intervalMs, MIN_GATE_INTERVAL_MS);
  return [
    ...check("interval", isSlow, `Leave at least ${MIN_GATE_INTERVAL_MS / 1_000} s between two measurements.`),
    ...assessLimit("error_limit", errorLimit),
  ];
}

function assessUrl(text: string): readonly Violation[] {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url !== null && ["http:", "https:"].includes(url.protocol) && text.length <= MAX_URL_LENGTH;
  return [
    ...check(
      "url",
      isHttp,
      `Give a URL that starts with http:// or https://, of at most ${MAX_URL_LENGTH} characters.`,
    ),
    ...check(
      "url",
      url === null || (url.username === "" && url.password === ""),
      "Leave user and password out: gates are shown to everybody, and requests are signed.",
    ),
  ];
}

function assessTimeout({ timeoutMs }: WebhookGate): readonly Violation[] {
  const isGood = isCount(timeoutMs, 1) && timeoutMs <= MAX_WEBHOOK_TIMEOUT_MS;
  return check(
    "timeout",
    isGood,
    `Wait for up to ${MAX_WEBHOOK_TIMEOUT_MS / 1_000} s; answer "not_yet" to take longer.`,
  );
}

function assessLimit(field: string, limit: number): readonly Violation[] {
  return check(field, isCount(limit), "The limit is a whole number, 0 or more.");
}

function isCount(value: number, min = 0): boolean {
  return Number.isSafeInteger(value) && value >= min;
}

function check(field: string, isGood: boolean, description: string): readonly Violation[] {
  return isGood ? [] : [{ field, description }];
}
