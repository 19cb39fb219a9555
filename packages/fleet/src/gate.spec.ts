// Gates as tables: what a value is, what readings add up to, and when the next one is due.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Condition, GateVerdict, MetricGate, Reading, WebhookGate } from "./gate.ts";
import { assessGate, judgeValue } from "./gate-verdict.ts";

const METRIC: MetricGate = {
  kind: "metric",
  name: "errors",
  provider: "prometheus",
  query: "rate(errors_total[5m])",
  initialDelayMs: 0,
  intervalMs: 10_000,
  count: 3,
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
  url: "https://ci.example.com/gate",
  timeoutMs: 1_000,
  errorLimit: 1,
  intervalMs: 10_000,
  dryRun: false,
};
const SINCE = 100_000;
const OUTCOMES = { s: "success", f: "failure", i: "inconclusive", e: "error", n: "not_yet" } as const;

/** Readings as letters, one every ten seconds since the gate was first asked. */
function readings(letters: string): readonly Reading[] {
  return [...letters].map((letter, n) => {
    const outcome = OUTCOMES[letter as keyof typeof OUTCOMES]; // the specs below
    return { stage: 0, gate: 0, n, atMs: SINCE + n * 10_000, outcome, value: null, message: `${letter}${n}.` };
  });
}

/** The verdict right after the last reading. */
function verdictOn(gate: MetricGate | WebhookGate, letters: string): GateVerdict {
  const seen = readings(letters);
  return assessGate(gate, seen, SINCE, seen.at(-1)?.atMs ?? SINCE);
}

/** A verdict in short: its kind, or the number and the seconds after which the next measurement is due. */
function inShort(verdict: GateVerdict): string {
  return verdict.kind === "measuring" ? `#${verdict.n} after ${(verdict.dueAtMs - SINCE) / 1_000} s` : verdict.kind;
}

describe("judgeValue", () => {
  const below: Condition = { op: "<", value: 1 };
  const above: Condition = { op: ">", value: 5 };
  const cases: readonly { name: string; success?: Condition; failure?: Condition; value: number; is: string }[] = [
    { name: "a success condition that holds", success: below, value: 0.5, is: "success" },
    { name: "a success condition that does not hold, alone", success: below, value: 1, is: "failure" },
    { name: "a failure condition that holds", failure: above, value: 6, is: "failure" },
    { name: "a failure condition that does not hold, alone", failure: above, value: 5, is: "success" },
    { name: "neither success nor failure", success: below, failure: above, value: 3, is: "inconclusive" },
    { name: "both success and failure", success: above, failure: above, value: 6, is: "failure" },
    { name: "no condition at all", value: 1, is: "inconclusive" },
    { name: "NaN where a success is said", success: below, value: Number.NaN, is: "inconclusive" },
    { name: "NaN where a failure is said", failure: above, value: Number.NaN, is: "inconclusive" },
    { name: "NaN that would pass as unequal", success: { op: "!=", value: 0 }, value: Number.NaN, is: "inconclusive" },
    { name: "an infinite value, which compares", failure: above, value: Infinity, is: "failure" },
  ];
  for (const { name, is, value, success = null, failure = null } of cases) {
    it(`calls ${name} ${is}`, () => assert.equal(judgeValue({ success, failure }, value), is));
  }

  const operators = [
    { op: "<", holds: [1] },
    { op: "<=", holds: [1, 2] },
    { op: ">", holds: [3] },
    { op: ">=", holds: [2, 3] },
    { op: "==", holds: [2] },
    { op: "!=", holds: [1, 3] },
  ] as const;
  for (const { op, holds } of operators) {
    it(`compares with ${op}`, () => {
      const success: Condition = { op, value: 2 };
      const held = [1, 2, 3].filter((value) => judgeValue({ success, failure: null }, value) === "success");
      assert.deepEqual(held, holds);
    });
  }
});

describe("assessGate of a metric", () => {
  const cases: readonly { name: string; gate?: Partial<MetricGate>; seen: string; is: string }[] = [
    { name: "measures at once", seen: "", is: "#0 after 0 s" },
    { name: "waits for its delay before the first", gate: { initialDelayMs: 30_000 }, seen: "", is: "#0 after 30 s" },
    { name: "measures again after its interval", seen: "s", is: "#1 after 10 s" },
    { name: "does not pass with one too few", seen: "ss", is: "#2 after 20 s" },
    { name: "passes with as many as it wants", seen: "sss", is: "pass" },
    { name: "fails with the first failure when none is borne", seen: "sf", is: "fail" },
    { name: "bears as many failures as it says", gate: { failureLimit: 1 }, seen: "fs", is: "#2 after 20 s" },
    { name: "counts failures that are borne", gate: { failureLimit: 1 }, seen: "sfs", is: "pass" },
    { name: "passes although its last failed, borne", gate: { failureLimit: 1 }, seen: "ssf", is: "pass" },
    { name: "fails with one more than is borne", gate: { failureLimit: 1 }, seen: "fsf", is: "fail" },
    { name: "cannot tell with the first inconclusive one", seen: "i", is: "inconclusive" },
    { name: "bears inconclusive ones as it says", gate: { inconclusiveLimit: 2 }, seen: "isi", is: "pass" },
    { name: "cannot tell with one more", gate: { inconclusiveLimit: 1 }, seen: "isi", is: "inconclusive" },
    { name: "cannot be measured with the first error", seen: "e", is: "inconclusive" },
    { name: "bears errors in a row", gate: { errorLimit: 2 }, seen: "ee", is: "#2 after 20 s" },
    { name: "does not count errors", gate: { errorLimit: 1 }, seen: "eses", is: "#4 after 40 s" },
    { name: "passes in spite of errors that were not in a row", gate: { errorLimit: 1 }, seen: "eseses", is: "pass" },
    { name: "cannot be measured after a row of errors", gate: { errorLimit: 1 }, seen: "sseeses", is: "inconclusive" },
    { name: "stands by its verdict whatever comes after", seen: "fsss", is: "fail" },
    { name: "stands by its pass whatever comes after", seen: "sssf", is: "pass" },
    { name: "passes a dry run that is good", gate: { dryRun: true }, seen: "sss", is: "pass" },
    { name: "measures a dry run as often", gate: { dryRun: true }, seen: "ss", is: "#2 after 20 s" },
    { name: "passes a dry run that failed", gate: { dryRun: true }, seen: "sf", is: "pass" },
    { name: "passes a dry run that could not tell", gate: { dryRun: true }, seen: "i", is: "pass" },
    { name: "passes a dry run that could not be measured", gate: { dryRun: true }, seen: "e", is: "pass" },
  ];
  for (const { name, gate, seen, is } of cases) {
    it(name, () => assert.equal(inShort(verdictOn({ ...METRIC, ...gate }, seen)), is));
  }

  it("starts over when its stage comes to its gates again, and numbers on", () => {
    const verdict = assessGate(METRIC, readings("fs"), SINCE + 3_600_000, SINCE + 3_600_000);
    assert.deepEqual(verdict, { kind: "measuring", n: 2, dueAtMs: SINCE + 3_600_000 });
  });

  it("keeps its interval to a reading of the time before", () => {
    const verdict = assessGate(METRIC, readings("fs"), SINCE + 15_000, SINCE + 15_000);
    assert.deepEqual(verdict, { kind: "measuring", n: 2, dueAtMs: SINCE + 20_000 });
  });

  it("waits no longer than its interval when the clock was set back", () => {
    const verdict = assessGate(METRIC, readings("s"), SINCE, SINCE - 3_600_000);
    assert.deepEqual(verdict, { kind: "measuring", n: 1, dueAtMs: SINCE - 3_600_000 + 10_000 });
  });

  const messages: readonly { gate?: Partial<MetricGate>; seen: string; says: string }[] = [
    { seen: "sss", says: "3 of 3 measurements were good; the last: s2." },
    { gate: { count: 1 }, seen: "s", says: "s0." },
    { seen: "sf", says: "f1." },
    {
      gate: { failureLimit: 1 },
      seen: "fsf",
      says: "2 measurements failed, 1 is borne; the last: f2.",
    },
    { seen: "i", says: "i0." },
    {
      gate: { errorLimit: 2 },
      seen: "eee",
      says: "it could not be measured, 3 errors in a row; the last: e2.",
    },
    { gate: { dryRun: true }, seen: "f", says: "dry run, would have failed: f0." },
    { seen: "e", says: "it could not be measured: e0." },
    {
      gate: { inconclusiveLimit: 2 },
      seen: "iii",
      says: "3 measurements could not tell, 2 are borne; the last: i2.",
    },
    {
      gate: { dryRun: true },
      seen: "i",
      says: "dry run, would have been inconclusive: i0.",
    },
  ];
  for (const { gate, seen, says } of messages) {
    it(`says: ${says}`, () => {
      const verdict = verdictOn({ ...METRIC, ...gate }, seen);
      assert.equal("message" in verdict && verdict.message, says);
    });
  }
});

describe("assessGate of a webhook", () => {
  const cases: readonly { name: string; gate?: Partial<WebhookGate>; seen: string; is: string }[] = [
    { name: "asks at once", seen: "", is: "#0 after 0 s" },
    { name: "passes with the first pass", seen: "s", is: "pass" },
    { name: "fails with the first failure", seen: "f", is: "fail" },
    { name: "is as unsure as its answer", seen: "i", is: "inconclusive" },
    { name: "asks again while it is told to wait", seen: "nnnn", is: "#4 after 40 s" },
    { name: "takes the answer that it waited for", seen: "nnns", is: "pass" },
    { name: "asks again after an error that is borne", seen: "e", is: "#1 after 10 s" },
    { name: "cannot be measured after too many errors in a row", seen: "ee", is: "inconclusive" },
    { name: "takes not yet as the end of a row of errors", seen: "enen", is: "#4 after 40 s" },
    { name: "passes a dry run that failed", gate: { dryRun: true }, seen: "f", is: "pass" },
    { name: "waits for an answer in a dry run too", gate: { dryRun: true }, seen: "n", is: "#1 after 10 s" },
  ];
  for (const { name, gate, seen, is } of cases) {
    it(name, () => assert.equal(inShort(verdictOn({ ...WEBHOOK, ...gate }, seen)), is));
  }
});
