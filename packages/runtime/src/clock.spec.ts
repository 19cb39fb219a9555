// The real clock: a delay ends by time or by its signal, and cleans up either way. The fake one fits by shape.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeClock } from "@muster/testkit";
import { type Clock, systemClock } from "./clock.ts";

describe("systemClock", () => {
  it("delays for about as long as asked", async () => {
    const startedAtMs = performance.now();
    await systemClock.delay(20, new AbortController().signal);
    assert.ok(performance.now() - startedAtMs >= 18);
  });

  it("resolves at once when the signal is aborted already", async () => {
    await systemClock.delay(60_000, AbortSignal.abort());
  });

  it("resolves when the signal aborts, and leaves no timer", async () => {
    const controller = new AbortController();
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = timers();
    const delay = systemClock.delay(60_000, controller.signal);
    assert.equal(timers(), before + 1);
    controller.abort();
    await delay;
    assert.equal(timers(), before);
  });

  it("has the shape of the fake clock", () => {
    const clock: Clock = createFakeClock();
    assert.equal(typeof clock.nowMs(), "number");
  });
});
