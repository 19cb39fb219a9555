// Gates of stages, from the API's words. Pure; everything that is wrong is told at once.

import { assessGates, type Condition, FleetError, type Gate, parseRolloutId, type Violation } from "@muster/fleet";
import {
  MetricComparison,
  type MetricCondition,
  type RolloutGate as ProtoGate,
  type MetricGate as ProtoMetric,
  type WebhookGate as ProtoWebhook,
} from "@muster/protocol/muster/rollouts";
import { MINUTE_MS, type Spans } from "./parse-span.ts";

const DEFAULT_ERROR_LIMIT = 4;
const OPS: ReadonlySet<string> = new Set<Condition["op"]>(["<", "<=", ">", ">=", "==", "!="]);

/** One gate; what is wrong with it is added to `violations`. Null when there is no telling what it is. */
export function parseGate(proto: ProtoGate, field: string, spans: Spans, violations: Violation[]): Gate | null {
  const gate = gateOf(proto, field, spans, violations);
  if (gate === null) {
    violations.push({ field, description: "say what is asked: health, metric, webhook or dependency." });
    return null;
  }
  violations.push(...assessGates(gate).map((each) => ({ ...each, field: `${field}.${each.field}` })));
  return gate;
}

function gateOf({ name, gate }: ProtoGate, field: string, spans: Spans, violations: Violation[]): Gate | null {
  switch (gate.case) {
    case "health":
      return { kind: "health", name };
    case "metric":
      return metricOf(name, gate.value, `${field}.metric`, spans, violations);
    case "webhook":
      return webhookOf(name, gate.value, `${field}.webhook`, spans);
    case "dependency": {
      try {
        return { kind: "dependency", name, rolloutId: parseRolloutId(gate.value.rolloutId) };
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
        violations.push({ field: `${field}.dependency.rollout_id`, description: error.message });
        return { kind: "health", name };
      }
    }
    case undefined:
      return null;
  }
}

function metricOf(name: string, proto: ProtoMetric, field: string, spans: Spans, violations: Violation[]): Gate {
  const condition = (of: MetricCondition | undefined, part: string): Condition | null => {
    if (of === undefined) return null;
    if (!OPS.has(of.op))
      violations.push({ field: `${field}.${part}.op`, description: `"${of.op}" is none of ${[...OPS].join(" ")}.` });
    return { op: of.op as Condition["op"], value: of.value }; // told just above when it is not
  };
  return {
    kind: "metric",
    name,
    provider: proto.provider || "prometheus",
    query: proto.query,
    initialDelayMs: spans.read(`${field}.initial_delay`, proto.initialDelay, 0),
    intervalMs: spans.read(`${field}.interval`, proto.interval, MINUTE_MS),
    count: proto.count || 1,
    success: condition(proto.success, "success"),
    failure: condition(proto.failure, "failure"),
    failureLimit: proto.failureLimit,
    inconclusiveLimit: proto.inconclusiveLimit,
    errorLimit: proto.errorLimit ?? DEFAULT_ERROR_LIMIT,
    dryRun: proto.dryRun,
    compare: spans.choice(`${field}.compare`, COMPARISONS, proto.compare),
  };
}

const COMPARISONS = {
  [MetricComparison.UNSPECIFIED]: null,
  [MetricComparison.RATIO]: "ratio",
  [MetricComparison.DIFFERENCE]: "difference",
} as const;

function webhookOf(name: string, proto: ProtoWebhook, field: string, spans: Spans): Gate {
  return {
    kind: "webhook",
    name,
    url: proto.url,
    timeoutMs: spans.read(`${field}.timeout`, proto.timeout, 10_000),
    errorLimit: proto.errorLimit ?? DEFAULT_ERROR_LIMIT,
    intervalMs: spans.read(`${field}.interval`, proto.interval, 30_000),
    dryRun: proto.dryRun,
  };
}
