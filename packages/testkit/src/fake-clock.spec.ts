// Manual time: order of delays, aborts, repeatable randomness.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeClock } from "./fake-clock.ts";

const never = new AbortController().signal;

describe("createFakeClock", () => {
  it("stands still until told", async () => {
    const clock = createFakeClock({ startMs: 50 });
    assert.equal(clock.nowMs(), 50);
    await clock.advance(10);
    assert.equal(clock.nowMs(), 60);
  });

  it("fires delays in order of their time, seeing the time they were due", async () => {
    const clock = createFakeClock({ startMs: 0 });
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${clock.nowMs()}`);
    void clock.delay(20, never).then(note("b"));
    void clock.delay(10, never).then(note("a"));
    void clock.delay(99, never).then(note("c"));
    await clock.advance(50);
    assert.deepEqual(seen, ["a@10", "b@20"]);
    assert.equal(clock.pendingCount(), 1);
  });

  it("fires delays that were asked for while time moved", async () => {
    const clock = createFakeClock({ startMs: 0 });
    let ticks = 0;
    const loop = async () => {
      for (;;) {
        await clock.delay(10, never);
        ticks += 1;
      }
    };
    void loop();
    await clock.advance(35);
    assert.equal(ticks, 3);
  });

  it("resolves a delay when its signal aborts, and forgets it", async () => {
    const clock = createFakeClock();
    const controller = new AbortController();
    const delay = clock.delay(1000, controller.signal);
    controller.abort();
    await delay;
    assert.equal(clock.pendingCount(), 0);
    await clock.delay(1000, controller.signal);
  });

  it("repeats its random numbers for the same seed", () => {
    const draw = (seed: number) => {
      const clock = createFakeClock({ seed });
      return Array.from({ length: 5 }, () => clock.random());
    };
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
    assert.ok(draw(7).every((n) => n >= 0 && n < 1));
  });
});
