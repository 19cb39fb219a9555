import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mayCompact } from "./compact.ts";

const MB = 1024 * 1024;

describe("giving memory back", () => {
  const cases: readonly (readonly [name: string, keptMb: number, afterMb: number, utilization: number, is: boolean])[] =
    [
      ["after a storm, once it is quiet", 200, 60, 0.02, true],
      ["not while it is busy", 200, 60, 0.5, false],
      ["for what a burst of heartbeats left", 60, 44, 0.02, true],
      ["not for a little", 70, 60, 0.02, false],
      ["not for what a large process needs from time to time", 240, 200, 0.02, false],
      ["not for a little of a small one", 28, 18, 0.02, false],
      ["for what its start left", 60, 0, 0, true],
    ];
  for (const [name, keptMb, afterMb, utilization, is] of cases) {
    it(`happens ${name}: ${is}`, () =>
      assert.equal(mayCompact({ keptBytes: keptMb * MB, keptAfterBytes: afterMb * MB, utilization }), is));
  }
});
