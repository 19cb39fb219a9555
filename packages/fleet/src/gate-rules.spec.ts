// Which gates may be asked for.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Gate, MetricGate, WebhookGate } from "./gate.ts";
import { assessGates } from "./gate-rules.ts";
import { parseRolloutId } from "./ids.ts";

const METRIC: MetricGate = {
  kind: "metric",
  name: "errors",
  provider: "prometheus",
  query: "sum(rate(errors_total[5m]))",
  initialDelayMs: 0,
  intervalMs: 1_000,
  count: 1,
  success: { op: "<", value: 1 },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  errorLimit: 0,
  dryRun: false,
  compare: null,
};
const WEBHOOK: WebhookGate = {
  kind: "webhook",
  name: "smoke test",
  url: "https://ci.example.com/gate?for=muster",
  timeoutMs: 1_000,
  errorLimit: 0,
  intervalMs: 60_000,
  dryRun: false,
};

describe("assessGates", () => {
  const good: readonly { name: string; gate: Gate }[] = [
    { name: "a health gate", gate: { kind: "health", name: "healthy" } },
    {
      name: "a dependency",
      gate: {
        kind: "dependency",
        name: "before",
        rolloutId: parseRolloutId("01890a5d-0000-7000-8000-000000000001"),
      },
    },
    { name: "a metric", gate: METRIC },
    { name: "a metric with a failure only", gate: { ...METRIC, success: null, failure: { op: ">", value: 1 } } },
    { name: "a comparison that names agents", gate: { ...METRIC, compare: "ratio", query: 'x{i=~"$agents"}' } },
    { name: "a webhook", gate: WEBHOOK },
    { name: "a webhook without encryption", gate: { ...WEBHOOK, url: "http://10.0.0.1:8080/" } },
  ];
  for (const { name, gate } of good)
    it(`finds nothing wrong with ${name}`, () => assert.deepEqual(assessGates(gate), []));

  const bad: readonly { name: string; gate: Gate; fields: readonly string[] }[] = [
    { name: "a gate without a name", gate: { kind: "health", name: " " }, fields: ["name"] },
    { name: "a name that is too long", gate: { kind: "health", name: "x".repeat(101) }, fields: ["name"] },
    { name: "an unknown provider", gate: { ...METRIC, provider: "tea leaves" }, fields: ["provider"] },
    { name: "an empty query", gate: { ...METRIC, query: " " }, fields: ["query"] },
    { name: "a comparison of all with all", gate: { ...METRIC, compare: "difference" }, fields: ["query"] },
    { name: "a negative delay", gate: { ...METRIC, initialDelayMs: -1 }, fields: ["initial_delay"] },
    { name: "no measurement", gate: { ...METRIC, count: 0 }, fields: ["count"] },
    { name: "half a measurement", gate: { ...METRIC, count: 1.5 }, fields: ["count"] },
    { name: "too many measurements", gate: { ...METRIC, count: 1_001 }, fields: ["count"] },
    { name: "a hasty interval", gate: { ...METRIC, intervalMs: 999 }, fields: ["interval"] },
    { name: "no condition", gate: { ...METRIC, success: null }, fields: ["success"] },
    {
      name: "conditions that compare with nothing",
      gate: { ...METRIC, success: { op: "<", value: Number.NaN }, failure: { op: ">", value: Infinity } },
      fields: ["success", "failure"],
    },
    {
      name: "negative limits",
      gate: { ...METRIC, failureLimit: -1, inconclusiveLimit: -1, errorLimit: -1 },
      fields: ["failure_limit", "inconclusive_limit", "error_limit"],
    },
    { name: "a URL that is none", gate: { ...WEBHOOK, url: "ci.example.com" }, fields: ["url"] },
    { name: "a URL of a file", gate: { ...WEBHOOK, url: "file:///etc/passwd" }, fields: ["url"] },
    { name: "a URL with a password", gate: { ...WEBHOOK, url: "https://u:p@ci.example.com" }, fields: ["url"] },
    { name: "no patience", gate: { ...WEBHOOK, timeoutMs: 0 }, fields: ["timeout"] },
    { name: "too much patience", gate: { ...WEBHOOK, timeoutMs: 30_001 }, fields: ["timeout"] },
    {
      name: "everything at once",
      gate: { ...WEBHOOK, name: "", url: "", timeoutMs: 0, intervalMs: 0, errorLimit: -1 },
      fields: ["name", "url", "timeout", "interval", "error_limit"],
    },
  ];
  for (const { name, gate, fields } of bad) {
    it(`refuses ${name}`, () => {
      const violations = assessGates(gate);
      assert.deepEqual(
        violations.map(({ field }) => field),
        fields,
      );
      for (const { description } of violations) assert.match(description, /\.$/);
    });
  }
});
