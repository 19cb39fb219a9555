// Back-off and Retry-After.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backoffMs, OPAMP_BACKOFF, parseRetryAfter, retryMs } from "./backoff.ts";

describe("backoffMs", () => {
  const cases = [
    { attempt: 0, random: 0, want: 250 },
    { attempt: 0, random: 0.5, want: 500 },
    { attempt: 1, random: 0.5, want: 750 },
    { attempt: 3, random: 0, want: 843.75 },
    { attempt: 100, random: 0.5, want: 60_000 },
    { attempt: 100, random: 0, want: 30_000 },
  ];
  for (const c of cases) {
    it(`waits ${c.want} ms at attempt ${c.attempt} for ${c.random}`, () =>
      assert.equal(backoffMs(OPAMP_BACKOFF, c.attempt, c.random), c.want));
  }
});

describe("retryMs", () => {
  const cases = [
    { retryAfterMs: undefined, want: 500 },
    { retryAfterMs: 200, want: 500 },
    { retryAfterMs: 7_000, want: 7_000 },
  ];
  for (const { retryAfterMs, want } of cases) {
    it(`waits ${want} ms when the server says ${retryAfterMs ?? "nothing"}`, () =>
      assert.equal(retryMs(OPAMP_BACKOFF, 0, 0.5, retryAfterMs), want));
  }
});

describe("parseRetryAfter", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  const cases: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ["", undefined],
    ["7", 7000],
    ["0", 0],
    ["-1", undefined],
    ["Thu, 01 Jan 2026 00:00:09 GMT", 9000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
  ];
  for (const [header, want] of cases) {
    it(`reads ${JSON.stringify(header)}`, () => assert.equal(parseRetryAfter(header, nowMs), want));
  }
});
