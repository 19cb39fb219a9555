import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { counted, distance, formatAge, formatSpan, oneLine, parseSpanMs, wordOf } from "./text.ts";

describe("a span", () => {
  const spans = [
    { text: "0", ms: 0, told: "0s" },
    { text: "500ms", ms: 500, told: "500ms" },
    { text: "30s", ms: 30_000, told: "30s" },
    { text: "90s", ms: 90_000, told: "1m 30s" },
    { text: "1h30m", ms: 5_400_000, told: "1h 30m" },
    { text: "2d", ms: 172_800_000, told: "2d" },
    { text: "1d1h1m1s", ms: 90_061_000, told: "1d 1h" },
  ];
  for (const { text, ms, told } of spans) {
    it(`${text} is ${ms} ms and told as ${told}`, () => {
      assert.equal(parseSpanMs(text), ms);
      assert.equal(formatSpan(ms), told);
    });
  }
  for (const text of ["", "5", "5x", "s", "-5s", "1.5s", "5 s"]) {
    it(`"${text}" is none`, () => assert.equal(parseSpanMs(text), null));
  }
});

describe("an age", () => {
  const cases = [
    { atMs: null, told: "-" },
    { atMs: 100_000, told: "0s ago" },
    { atMs: 99_500, told: "now" },
    { atMs: 70_000, told: "30s ago" },
    { atMs: 9_000, told: "1m ago" },
    { atMs: 200_000, told: "0s ago" },
  ];
  for (const { atMs, told } of cases) it(`at ${atMs} is ${told}`, () => assert.equal(formatAge(atMs, 100_000), told));
});

describe("words", () => {
  it("agree with their count", () =>
    assert.deepEqual([counted(1n, "agent"), counted(2, "agent")], ["1 agent", "2 agents"]));
  it("stay on one line of limited length", () => assert.equal(oneLine(" a\n  b\tccc ", 5), "a b …"));
  it("are a question mark where a newer server says more", () => assert.equal(wordOf({ 1: "one" }, 2), "?"));
});

describe("the distance of two words", () => {
  const cases = [
    ["", "", 0],
    ["abc", "abc", 0],
    ["abc", "", 3],
    ["opamp", "opmap", 2],
    ["proxy", "proxi", 1],
    ["header", "headers", 1],
    ["tls", "urls", 2],
  ] as const;
  for (const [a, b, expected] of cases) {
    it(`${a} and ${b} is ${expected}, both ways`, () =>
      assert.deepEqual([distance(a, b), distance(b, a)], [expected, expected]));
  }
});
