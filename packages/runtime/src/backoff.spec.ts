// The schedule, case by case, and its counter.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backoffMs, createBackoff } from "./backoff.ts";

const policy = { baseMs: 100, maxMs: 1000 };

describe("backoffMs", () => {
  const cases = [
    { name: "first, longest", attempt: 0, random: 0, expected: 100 },
    { name: "first, shortest", attempt: 0, random: 1, expected: 50 },
    { name: "doubles", attempt: 3, random: 0, expected: 800 },
    { name: "stops at the maximum", attempt: 4, random: 0, expected: 1000 },
    { name: "stays there for ever", attempt: 5000, random: 0.5, expected: 750 },
    { name: "another factor", attempt: 1, random: 0, factor: 3, expected: 300 },
    { name: "no jitter", attempt: 1, random: 0.9, jitter: 0, expected: 200 },
    { name: "full jitter", attempt: 1, random: 0.75, jitter: 1, expected: 50 },
  ];
  for (const { name, attempt, random, expected, ...shape } of cases) {
    it(name, () => assert.equal(backoffMs({ ...policy, ...shape }, attempt, random), expected));
  }
});

describe("createBackoff", () => {
  it("grows with each attempt and starts over after a reset", () => {
    const backoff = createBackoff(policy, () => 0);
    assert.deepEqual([backoff.nextMs(), backoff.nextMs(), backoff.nextMs()], [100, 200, 400]);
    backoff.reset();
    assert.equal(backoff.nextMs(), 100);
  });
});
