// How the runner's events become the closing line.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addEvent, closingLine, noCounts, type TestEvent } from "./test-counts.ts";

const file = "/x/a.spec.ts";

describe("addEvent", () => {
  const cases: { name: string; event: TestEvent; expected: string }[] = [
    { name: "a test that passed", event: { kind: "pass", name: "t", file }, expected: "1 passed, 0 failed" },
    { name: "a test that failed", event: { kind: "fail", name: "t", file }, expected: "0 passed, 1 failed" },
    {
      name: "a test that was left out",
      event: { kind: "pass", name: "t", file, skip: true },
      expected: "0 passed, 0 failed, 1 skipped",
    },
    {
      name: "a test that is announced and fails",
      event: { kind: "fail", name: "t", file, todo: "later" },
      expected: "0 passed, 0 failed, 1 skipped",
    },
    { name: "a suite", event: { kind: "pass", name: "s", file, type: "suite" }, expected: "0 passed, 0 failed" },
    {
      name: "a suite whose tests failed, which are counted themselves",
      event: { kind: "fail", name: "s", file, type: "suite", failureType: "subtestsFailed" },
      expected: "0 passed, 0 failed",
    },
    {
      name: "a suite whose own hook failed",
      event: { kind: "fail", name: "s", file, type: "suite", failureType: "hookFailed" },
      expected: "0 passed, 1 failed",
    },
    { name: "a file without tests", event: { kind: "pass", name: file, file }, expected: "0 passed, 0 failed" },
    { name: "a file that does not load", event: { kind: "fail", name: file, file }, expected: "0 passed, 1 failed" },
  ];
  for (const c of cases) it(c.name, () => assert.equal(closingLine(addEvent(noCounts, c.event)), c.expected));
});
